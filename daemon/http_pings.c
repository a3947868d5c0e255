/*
 * Pings go out at an interval, whatever else is said, so that every proxy sees traffic both ways;
 * what comes from the client is as good an answer as a pong.  libwebsockets could do this, but
 * keeps its timers in one sorted list: with n WebSockets each ping would walk n timers.
 */
#include "http_private.h"

#include "clock.h"

static void unlink_ws(struct nbs_ws *ws)
{
	struct ping_list *list = ws->ping_list;

	if (list == NULL)
		return;
	if (ws->ping_prev != NULL)
		ws->ping_prev->ping_next = ws->ping_next;
	else
		list->first = ws->ping_next;
	if (ws->ping_next != NULL)
		ws->ping_next->ping_prev = ws->ping_prev;
	else
		list->last = ws->ping_prev;
	ws->ping_list = NULL;
}

static void append(struct pings *p, struct ping_list *list, struct nbs_ws *ws, uint64_t due_ms)
{
	unlink_ws(ws);
	ws->ping_due_ms = due_ms;
	ws->ping_list = list;
	ws->ping_next = NULL;
	ws->ping_prev = list->last;
	if (list->last != NULL)
		list->last->ping_next = ws;
	else
		list->first = ws;
	list->last = ws;
	if (!p->timer.armed || p->timer.deadline_ms > due_ms)
		io_timer_arm(p->thread, &p->timer, due_ms);
}

static void ping(struct nbs_ws *ws)
{
	unsigned char bytes[LWS_PRE + 4] = {0}; /* an empty pong would not be reported */

	if (!lws_partial_buffered(ws->c->wsi) &&
	    lws_write(ws->c->wsi, bytes + LWS_PRE, 4, LWS_WRITE_PING) < 0)
		http_conn_kill(ws->c);
}

/* A pong may wait behind what the consumer does not take, so that only a ping that cannot be sent
 * tells of the end.  But a client that takes nothing itself is no better than one that is gone. */
static bool cannot_answer(const struct nbs_ws *ws)
{
	return ws->paused && !ws->choked;
}

static void ping_due(struct pings *p, struct nbs_ws *ws, uint64_t now)
{
	if (cannot_answer(ws))
		append(p, &p->idle, ws, now + p->interval_ms);
	else
		append(p, &p->waiting, ws, now + p->timeout_ms);
	ping(ws);
}

static void work(struct pings *p, uint64_t now)
{
	struct nbs_ws *ws;

	while ((ws = p->waiting.first) != NULL && ws->ping_due_ms <= now) {
		if (cannot_answer(ws)) {
			ping_due(p, ws, now);
			continue;
		}
		unlink_ws(ws);
		http_conn_kill(ws->c);
	}
	while ((ws = p->idle.first) != NULL && ws->ping_due_ms <= now)
		ping_due(p, ws, now);
}

static void expired(struct io_timer *timer)
{
	struct pings *p = IO_OF(timer, struct pings, timer);
	uint64_t due = UINT64_MAX;

	work(p, clock_ms());
	if (p->idle.first != NULL)
		due = p->idle.first->ping_due_ms;
	if (p->waiting.first != NULL && p->waiting.first->ping_due_ms < due)
		due = p->waiting.first->ping_due_ms;
	if (due != UINT64_MAX)
		io_timer_arm(p->thread, &p->timer, due);
}

void http_pings_open(struct pings *p, struct io_thread *thread, uint64_t interval_ms,
                     uint64_t timeout_ms)
{
	*p = (struct pings){.thread = thread,
	                    .timer.expired = expired,
	                    .interval_ms = interval_ms,
	                    .timeout_ms = timeout_ms};
}

void http_pings_close(struct pings *p)
{
	io_timer_cancel(p->thread, &p->timer);
}

void http_pings_add(struct pings *p, struct nbs_ws *ws)
{
	append(p, &p->idle, ws, clock_ms() + p->interval_ms);
}

void http_pings_heard(struct pings *p, struct nbs_ws *ws)
{
	if (ws->ping_list == &p->waiting)
		append(p, &p->idle, ws, clock_ms() + p->interval_ms);
}

void http_pings_remove(struct pings *p, struct nbs_ws *ws)
{
	(void)p;
	unlink_ws(ws);
}
