/* One completion queue and its thread. */
#include "queue.h"

#include "call.h"
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void *run(void *arg)
{
	struct queue *q = arg;

	for (;;) {
		grpc_event ev =
		    grpc_completion_queue_next(q->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
		struct tag *tag = ev.tag;

		if (ev.type == GRPC_QUEUE_SHUTDOWN)
			return NULL;
		tag->done(tag, ev.success != 0);
	}
}

int queue_open(struct queue *q, unsigned number)
{
	char name[16];
	int r = -ENOMEM;

	q->requests = request_new();
	if (q->requests == NULL)
		goto err0;
	q->cq = grpc_completion_queue_create_for_next(NULL);
	grpc_server_register_completion_queue(q->core, q->cq, NULL);
	r = -pthread_create(&q->thread, NULL, run, q);
	if (r < 0)
		goto err1;
	snprintf(name, sizeof(name), "grpc-%u", number);
	pthread_setname_np(q->thread, name);
	return 0;
err1:
	grpc_completion_queue_shutdown(q->cq);
	run(q);
	grpc_completion_queue_destroy(q->cq);
	free(q->requests);
err0:
	return r;
}

void queue_close(struct queue *q)
{
	grpc_completion_queue_shutdown(q->cq);
	pthread_join(q->thread, NULL);
	grpc_completion_queue_destroy(q->cq);
	free(q->requests);
}
