/*
 * A connection of the HTTP server.  Its end is always the same: libwebsockets closes the socket and
 * says so from the loop, and only then the record is given back.
 */
#include "http_private.h"

#include "clock.h"
#include "conn.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

unsigned http_conn_class(const struct http_conn *c)
{
	return c->conn->origin->class;
}

void http_conn_soon(struct http_conn *c)
{
	if (c->due)
		return;
	c->due = true;
	c->next_due = c->http->due;
	c->http->due = c;
}

void http_conn_run_due(struct http *http)
{
	struct http_conn *c;

	if (http->due == NULL)
		return;
	while ((c = http->due) != NULL) {
		http->due = c->next_due;
		c->due = false;
		if (c->ws != NULL)
			http_ws_due(c->ws);
	}
	/* libwebsockets looks at its own timers after an event, and may have new ones now. */
	lws_cancel_service(http->context);
}

static void forget_due(struct http_conn *c)
{
	struct http_conn **at = &c->http->due;

	if (!c->due)
		return;
	while (*at != c)
		at = &(*at)->next_due;
	*at = c->next_due;
	c->due = false;
}

static void too_late(struct io_timer *timer)
{
	struct http_conn *c = CONN_OF(timer, timer)->cookie;

	http_conn_kill(c);
	http_conn_deadline(c, 1000); /* should libwebsockets have dropped the order */
}

void http_conn_deadline(struct http_conn *c, uint64_t ms)
{
	c->conn->timer.expired = too_late;
	io_timer_arm(c->http->thread, &c->conn->timer, clock_ms() + ms);
}

void http_conn_no_deadline(struct http_conn *c)
{
	io_timer_cancel(c->http->thread, &c->conn->timer);
}

/* As a timeout of its own, since it would first send what it keeps in all other cases. */
void http_conn_kill(struct http_conn *c)
{
	if (c->wsi == NULL)
		return;
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
	lws_cancel_service(c->http->context);
}

static void enlist(struct http_conn *c)
{
	struct http *http = c->http;

	c->next = http->first;
	if (http->first != NULL)
		http->first->prev = c;
	http->first = c;
}

static void delist(struct http_conn *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->http->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
}

void http_conn_gone(struct http_conn *c)
{
	struct nbs_conn *conn = c->conn;
	struct http *http = c->http;

	if (c->ws != NULL)
		http_ws_free(c->ws);
	if (!c->served)
		http_reply_count(c->http, 0);
	forget_due(c);
	delist(c);
	http_request_free(c->request);
	http_send_forget(c);
	free(c);
	conn->cookie = NULL;
	conn->source.fd = -1; /* libwebsockets has closed it */
	conn_release(conn);
	http_stop_if_empty(http);
}

static void give_up(struct nbs_conn *conn)
{
	conn_count_refused(conn, CONN_REFUSED_ERROR);
	conn_release(conn);
}

static void adopt(struct http_conn *c)
{
	const lws_adopt_desc_t desc = {.vh = c->http->vhost,
	                               .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP,
	                               .fd.sockfd = c->conn->source.fd,
	                               .opaque = c};

	c->http->adopting = c;
	if (lws_adopt_descriptor_vhost_via_info(&desc) == NULL)
		log_debug("http", "libwebsockets does not take a connection");
	c->http->adopting = NULL;
	if (c->wsi == NULL) {
		c->served = true; /* it is counted as refused instead; the socket is closed */
		conn_count_refused(c->conn, CONN_REFUSED_ERROR);
		http_conn_gone(c);
	}
}

void http_begin(struct http *http, struct nbs_conn *conn)
{
	static struct log_limit limit;
	struct http_conn *c;

	if (http->stopping) {
		conn_release(conn);
		return;
	}
	if (conn->source.fd >= http->max_fd) {
		log_limited(
		    &limit, NBS_WARN, "http",
		    "connection closed: more descriptors are open than were foreseen at the "
		    "start; restart after raising [limits] max-connections");
		give_up(conn);
		return;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL) {
		give_up(conn);
		return;
	}
	c->http = http;
	c->conn = conn;
	conn->cookie = c;
	enlist(c);
	http_conn_deadline(c, conn_handshake_timeout(conn));
	adopt(c);
}
