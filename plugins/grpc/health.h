/*
 * grpc.health.v1.Health: SERVING while the daemon takes peers, NOT_SERVING from drain() on.
 */
#ifndef HEALTH_H
#define HEALTH_H

#include "core.h"

#include <pthread.h>
#include <stdbool.h>

struct call;
struct transport;
struct watcher;

enum health_status { HEALTH_NONE, HEALTH_SERVING, HEALTH_NOT_SERVING, HEALTH_SERVICE_UNKNOWN };

struct health {
	pthread_mutex_t lock; /* of all below and of the watchers; nothing is called under it */
	bool draining, ending;
	struct watcher *watchers;
	unsigned n_watchers;
};

void health_open(struct health *h);
void health_close(struct health *h);

/* Takes a call of Check or Watch.  On the queue's thread. */
void health_begin(const struct call *call, const grpc_metadata_array *metadata);

/* A serialized HealthCheckResponse, GIVEN. */
grpc_byte_buffer *health_response(enum health_status status);

/* [main] NOT_SERVING from now on, and all who watch are told. */
void health_drain(struct transport *t);
/* [main] Ends the watchers' calls, each after it was told. */
void health_end(struct transport *t);

#endif
