/*
 * listen.h - C core's own listener, which makes two programs of the yardstick: listen_plain.c is
 * linked into yardstick, listen_tls.c into yardstick_tls, because only a larger C core has TLS.
 */
#ifndef BENCH_LISTEN_H
#define BENCH_LISTEN_H

#include "../../plugins/grpc/core.h"

/* What follows the address on the command line: how many, and their names for the usage. */
extern const int listen_args;
extern const char listen_usage[];

/* The port, or 0 after a line on stderr. */
int listen_on(grpc_server *server, const char *address, char **args);

#endif
