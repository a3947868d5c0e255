/*
 * The whole state of the gRPC transport plugin, made by init() and freed by destroy().
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include "config.h"
#include "health.h"
#include "metrics.h"
#include "pending.h"

#include <netbird-signal/plugin.h>

#include <pthread.h>

struct links;
struct server;

struct transport {
	struct nbs_host *host;
	struct config config;
	struct nbs_limits limits;
	struct metrics metrics;
	struct health health;
	struct links *links;
	struct pending calls; /* asked for and not arrived, or arrived and not finished */
	/* Readers hold it while they use `server`; start() and stop() write.  Under it only the
	 * links' lock is taken. */
	pthread_rwlock_t gate;
	struct server *server; /* NULL unless connections are taken */
};

#endif
