/*
 * One completion queue and its thread.  What belongs to a call of the queue is touched on that
 * thread alone, unless it says otherwise.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include "core.h"

#include <pthread.h>

struct request;
struct transport;

struct queue {
	struct transport *transport;
	grpc_server *core;
	void **registered; /* C core's handles of the methods, by enum method */
	struct request *requests;
	grpc_completion_queue *cq;
	pthread_t thread;
};

/* [main] Before the server starts.  transport, core and registered are set.  -ENOMEM, or what
 * pthread_create() said. */
int queue_open(struct queue *q, unsigned number);
/* [main] The server has stopped, or never started.  Waits until everything that was started on
 * the queue has been completed. */
void queue_close(struct queue *q);

#endif
