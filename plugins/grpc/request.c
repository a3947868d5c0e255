/*
 * The calls that C core may bring, and which part of the plugin takes them.  C core is not asked
 * to read a method's first message by itself: calls that never send one would stay unseen, and
 * uncounted.
 */
#include "request.h"

#include "call.h"
#include "health.h"
#include "links.h"
#include "queue.h"
#include "send.h"
#include "stream.h"
#include "transport.h"

#include <stdlib.h>

/* C core bounds the calls of a client that acknowledges its settings.  One that never does may
 * open as many as it likes; our count runs behind C core's, so it must be clearly over. */
#define FLOOD 4

/* One outstanding request; the members below `method` are C core's answer. */
struct request {
	struct tag tag;
	struct queue *queue;
	enum method method;
	grpc_call *call;
	grpc_metadata_array metadata; /* the array is the request's, the slices are the call's */
	grpc_call_details details;    /* METHOD_OTHER only */
	gpr_timespec deadline;
};

static void unimplemented(const struct call *call, const grpc_metadata_array *metadata)
{
	(void)metadata;
	metrics_add(&call->t->metrics, call->t->metrics.unimplemented, 1);
	call_answer(call, verdict_unimplemented, NULL);
}

/* More than one outstanding, so that a burst is matched without the server's lock. */
static const struct {
	const char *path;
	unsigned outstanding; /* per queue */
	void (*begin)(const struct call *call, const grpc_metadata_array *metadata);
} methods[METHODS] = {
    [METHOD_SEND] = {"/signalexchange.SignalExchange/Send", 64, send_begin},
    [METHOD_CONNECT] = {"/signalexchange.SignalExchange/ConnectStream", 32, stream_begin},
    [METHOD_CHECK] = {"/grpc.health.v1.Health/Check", 4, health_begin},
    [METHOD_WATCH] = {"/grpc.health.v1.Health/Watch", 4, health_begin},
    [METHOD_OTHER] = {NULL, 8, unimplemented},
};

void request_register(grpc_server *server, void *registered[METHODS])
{
	for (int m = 0; m < METHODS; m++)
		if (methods[m].path != NULL)
			registered[m] = grpc_server_register_method(server, methods[m].path, NULL,
			                                            GRPC_SRM_PAYLOAD_NONE, 0);
}

struct request *request_new(void)
{
	size_t n = 0;

	for (int m = 0; m < METHODS; m++)
		n += methods[m].outstanding;
	return calloc(n, sizeof(struct request));
}

static void ask(struct request *r)
{
	struct queue *q = r->queue;
	grpc_call_error e;

	pending_begin(&q->transport->calls);
	r->call = NULL;
	grpc_metadata_array_init(&r->metadata);
	grpc_call_details_init(&r->details);
	if (r->method == METHOD_OTHER)
		e = grpc_server_request_call(q->core, &r->call, &r->details, &r->metadata, q->cq,
		                             q->cq, &r->tag);
	else
		e = grpc_server_request_registered_call(q->core, q->registered[r->method], &r->call,
		                                        &r->deadline, &r->metadata, NULL, q->cq,
		                                        q->cq, &r->tag);
	if (e != GRPC_CALL_OK) {
		struct nbs_host *host = q->transport->host;

		host->log(host, NBS_ERROR, "request refused: method=%d error=%s", (int)r->method,
		          grpc_call_error_to_string(e));
		pending_end(&q->transport->calls);
	}
}

/* There may be many thousands of them behind the first: each costs as little as it can. */
static void cut_off(const struct call *call)
{
	struct nbs_host *host = call->t->host;

	if (links_cut(call->link)) {
		metrics_add(&call->t->metrics, call->t->metrics.floods, 1);
		host->log(host, NBS_DEBUG, "cut off, too many calls: remote=%s",
		          links_remote(call->link));
	}
	call_finish(call, GRPC_STATUS_RESOURCE_EXHAUSTED);
}

static void take(struct request *r)
{
	struct transport *t = r->queue->transport;
	struct call call = {t, r->call, NULL, metrics_now(), r->method};

	pending_begin(&t->calls);
	if (links_enter(t->links, r->call, FLOOD * t->config.max_concurrent_streams, &call.link) <
	    0)
		cut_off(&call);
	else
		methods[r->method].begin(&call, &r->metadata);
}

static void arrived(struct tag *tag, bool ok)
{
	struct request *r = TAG_OWNER(tag, struct request, tag);
	struct transport *t = r->queue->transport;

	if (ok)
		take(r);
	/* The array goes now: an idle stream would keep a kilobyte for it. */
	grpc_metadata_array_destroy(&r->metadata);
	if (r->method == METHOD_OTHER)
		grpc_call_details_destroy(&r->details);
	if (ok)
		ask(r);
	pending_end(&t->calls);
}

void request_all(struct queue *queue)
{
	struct request *r = queue->requests;

	for (int m = 0; m < METHODS; m++) {
		for (unsigned i = 0; i < methods[m].outstanding; i++, r++) {
			r->tag.done = arrived;
			r->queue = queue;
			r->method = (enum method)m;
			ask(r);
		}
	}
}
