/*
 * Health Watch: a call that is told the state, and told again when it changes.  All of a watcher
 * is guarded by health.lock; whoever sets `busy` under it has the call's sending side.
 */
#include "watch.h"

#include "call.h"
#include "transport.h"

#include <stddef.h>
#include <string.h>

struct watcher {
	struct call call;
	struct watcher *prev, *next; /* of the list */
	struct tag closed, sent;
	unsigned refs; /* one until it is closed, one by the batch in flight */
	enum health_status told;
	bool known, busy, done;
	grpc_status_code code;
	int cancelled;
};

static void unref(struct watcher *w)
{
	struct transport *t = w->call.t;
	bool last;

	pthread_mutex_lock(&t->health.lock);
	last = --w->refs == 0;
	pthread_mutex_unlock(&t->health.lock);
	if (!last)
		return;
	metrics_add(&t->metrics, t->metrics.watchers, -1);
	call_finish(&w->call, w->code); /* w is gone with it */
}

static enum health_status wanted(const struct watcher *w)
{
	if (!w->known)
		return HEALTH_SERVICE_UNKNOWN;
	return w->call.t->health.draining ? HEALTH_NOT_SERVING : HEALTH_SERVING;
}

/* Takes the sending side if there is something to send.  The lock is held. */
static bool claim(struct watcher *w)
{
	if (w->busy || w->done || (wanted(w) == w->told && !w->call.t->health.ending))
		return false;
	w->busy = true;
	w->refs++;
	return true;
}

static void sent(struct tag *tag, bool ok);

static void send_status(struct watcher *w, enum health_status status, bool first)
{
	grpc_byte_buffer *message = health_response(status);
	grpc_op ops[2] = {{.op = GRPC_OP_SEND_MESSAGE}, {.op = GRPC_OP_SEND_INITIAL_METADATA}};

	ops[0].data.send_message.send_message = message;
	if (call_start(&w->call, ops, first ? 2 : 1, &w->sent) < 0)
		unref(w);
	grpc_byte_buffer_destroy(message);
}

/* Sends what is due; the sending side is the caller's, and passes to the batch. */
static void send_due(struct watcher *w)
{
	enum health_status status, told;

	pthread_mutex_lock(&w->call.t->health.lock);
	status = wanted(w);
	told = w->told;
	w->told = status;
	w->done = status == told;
	if (w->done)
		w->code = verdict_stopping.code;
	pthread_mutex_unlock(&w->call.t->health.lock);
	if (status != told)
		send_status(w, status, told == HEALTH_NONE);
	else if (call_end(&w->call, verdict_stopping, false, &w->sent) < 0)
		unref(w);
}

static void sent(struct tag *tag, bool ok)
{
	struct watcher *w = TAG_OWNER(tag, struct watcher, sent);
	bool more;

	pthread_mutex_lock(&w->call.t->health.lock);
	w->busy = !ok;
	more = claim(w);
	pthread_mutex_unlock(&w->call.t->health.lock);
	if (more)
		send_due(w);
	unref(w);
}

static void closed(struct tag *tag, bool ok)
{
	struct watcher *w = TAG_OWNER(tag, struct watcher, closed);
	struct health *h = &w->call.t->health;

	(void)ok;
	pthread_mutex_lock(&h->lock);
	w->done = true;
	if (w->prev != NULL)
		w->prev->next = w->next;
	else
		h->watchers = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	h->n_watchers--;
	pthread_mutex_unlock(&h->lock);
	unref(w);
}

/* False if there are as many as may be. */
static bool enlist(struct watcher *w)
{
	struct health *h = &w->call.t->health;
	bool room;

	pthread_mutex_lock(&h->lock);
	room = h->n_watchers < w->call.t->config.max_health_watchers;
	if (room) {
		h->n_watchers++;
		w->next = h->watchers;
		if (w->next != NULL)
			w->next->prev = w;
		h->watchers = w;
		claim(w);
	}
	pthread_mutex_unlock(&h->lock);
	return room;
}

void watch_begin(const struct call *call, bool known)
{
	struct watcher *w = grpc_call_arena_alloc(call->core, sizeof(*w));
	grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

	memset(w, 0, sizeof(*w));
	w->call = *call;
	w->closed.done = closed;
	w->sent.done = sent;
	w->refs = 1;
	w->known = known;
	w->code = GRPC_STATUS_CANCELLED;
	if (!enlist(w)) {
		call_answer(call, verdict_watchers, NULL);
		return;
	}
	metrics_add(&call->t->metrics, call->t->metrics.watchers, 1);
	op.data.recv_close_on_server.cancelled = &w->cancelled;
	call_start(call, &op, 1, &w->closed);
	send_due(w);
}

void watch_changed(struct transport *t)
{
	struct watcher *w;

	do {
		pthread_mutex_lock(&t->health.lock);
		for (w = t->health.watchers; w != NULL && !claim(w); w = w->next)
			;
		pthread_mutex_unlock(&t->health.lock);
		if (w != NULL)
			send_due(w);
	} while (w != NULL);
}
