/*
 * The calls that C core may bring: each queue keeps some requests of each method outstanding, and
 * a request is asked again as soon as its call has been handed to the method.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "core.h"
#include "metrics.h"

#include <stddef.h>

struct queue;
struct request;

/* Before the server starts: tells C core of the methods. */
void request_register(grpc_server *server, void *registered[METHODS]);

/* Room for what a queue keeps outstanding; NULL when out of memory.  Freed by free() when the
 * queue is drained. */
struct request *request_new(void);
/* After the server has started: asks for the first time. */
void request_all(struct queue *queue);

#endif
