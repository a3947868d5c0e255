/*
 * What goes out before a connection becomes a WebSocket.  It does not go through libwebsockets:
 * that would keep what the socket does not take, and meanwhile look again and again at bytes that
 * the client has sent and that it does not want yet.  So the rest is kept here, reading is stopped,
 * and the thread's epoll says when there is room.  There is no stream here: of the socket channel
 * only send() is used.
 */
#include "http_private.h"

#include "channel.h"
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

struct unsent {
	size_t at, len;
	bool close; /* afterwards */
	unsigned char bytes[];
};

static int keep(struct http_conn *c, const unsigned char *bytes, size_t len)
{
	const size_t before = c->unsent != NULL ? c->unsent->len : 0;
	struct unsent *all = realloc(c->unsent, sizeof(*all) + before + len);

	if (all == NULL)
		return -ENOMEM;
	if (before == 0)
		*all = (struct unsent){0};
	memcpy(all->bytes + before, bytes, len);
	all->len = before + len;
	c->unsent = all;
	return 0;
}

int http_send(struct http_conn *c, const void *bytes, size_t len)
{
	ssize_t sent = 0;

	if (c->unsent == NULL && (sent = socket_channel.send(c->conn, bytes, len)) < 0)
		return (int)sent;
	bytes = (const unsigned char *)bytes + sent;
	len -= (size_t)sent;
	return len > 0 ? keep(c, bytes, len) : 0;
}

bool http_send_is_done(const struct http_conn *c)
{
	return c->unsent == NULL;
}

/* What still comes is thrown away until the client has closed: with bytes unread the kernel would
 * reset the connection, and the end of the answer with it. */
static void discard(struct io_source *source, uint32_t events)
{
	struct http_conn *c = ((struct nbs_conn *)source)->cookie;
	ssize_t n = recv(source->fd, io_read_buffer(c->http->thread), IO_READ_BUFFER, MSG_DONTWAIT);

	(void)events;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	io_unwatch(c->http->thread, source);
	http_conn_kill(c);
}

static void done(struct http_conn *c)
{
	struct nbs_conn *conn = c->conn;

	if (c->unsent->close) {
		http_send_forget(c);
		shutdown(conn->source.fd, SHUT_WR);
		conn->source.event = discard;
		io_rewatch(c->http->thread, &conn->source, EPOLLIN);
		http_conn_deadline(c, HTTP_CLOSE_MS);
		return;
	}
	/* Outside of libwebsockets' own calls. */
	io_unwatch(c->http->thread, &conn->source);
	http_send_forget(c);
	lws_rx_flow_control(c->wsi, 1);
	http_conn_deadline(c, HTTP_IDLE_MS);
	if (lws_http_transaction_completed(c->wsi) != 0)
		lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
	lws_cancel_service(c->http->context); /* it looks at its timers after an event */
}

static void room(struct io_source *source, uint32_t events)
{
	struct nbs_conn *conn = (struct nbs_conn *)source;
	struct http_conn *c = conn->cookie;
	struct unsent *u = c->unsent;
	ssize_t sent = 0;

	if ((events & (EPOLLERR | EPOLLHUP)) ||
	    (sent = socket_channel.send(conn, u->bytes + u->at, u->len - u->at)) < 0) {
		io_unwatch(c->http->thread, source);
		http_conn_kill(c);
		return;
	}
	u->at += (size_t)sent;
	if (u->at == u->len)
		done(c);
	else if (sent > 0)
		http_conn_deadline(c, HTTP_STALL_MS);
}

int http_send_rest(struct http_conn *c, bool close)
{
	c->unsent->close = close;
	c->conn->source.event = room;
	lws_rx_flow_control(c->wsi, 0);
	http_conn_deadline(c, HTTP_STALL_MS);
	return io_watch(c->http->thread, &c->conn->source, EPOLLOUT) < 0 ? -1 : 0;
}

int http_send_last(struct http_conn *c)
{
	struct unsent *u = c->unsent;
	unsigned char *copy;

	http_conn_deadline(c, HTTP_CLOSE_MS);
	if (u == NULL || (copy = malloc(LWS_PRE + u->len)) == NULL)
		return -1;
	memcpy(copy + LWS_PRE, u->bytes, u->len);
	lws_write(c->wsi, copy + LWS_PRE, u->len, LWS_WRITE_HTTP_HEADERS);
	free(copy);
	return -1;
}

void http_send_forget(struct http_conn *c)
{
	free(c->unsent);
	c->unsent = NULL;
}
