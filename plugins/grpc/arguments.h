/*
 * The channel arguments that every connection gets.
 */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include "core.h"

struct config;
struct nbs_limits;

/* [main] Before grpc_init(), while no other thread runs: what C core reads from the environment
 * alone. */
void arguments_environment(void);

/* What C core may use for connections, calls and messages that are being received, in bytes. */
int64_t arguments_memory_limit(const struct config *conf, const struct nbs_limits *limits);
/* A server made with them; NULL if C core refuses. */
grpc_server *arguments_server(const struct config *conf, const struct nbs_limits *limits);

#endif
