/*
 * The tunnel: bytes between a WebSocket and the "h2" service of its listener.  What arrives while
 * the service wants nothing is held: the WebSocket is paused then, so it is only what was read
 * from the socket already.
 */
#include "tunnel.h"

#include "transport.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HELD_MAX (1024 * 1024) /* bytes; what the daemon reads at once is far less */

enum {
	CLOSE_NORMAL = 1000, /* RFC 6455, 7.4.1 */
	CLOSE_GOING_AWAY = 1001,
	CLOSE_NO_CODE = 1005,
	CLOSE_BROKEN = 1011,
};

struct tunnel {
	struct socket socket;
	struct transport *t;
	struct nbs_ws *ws;
	struct nbs_conn *inner; /* NULL: gone */
	unsigned char *held;
	size_t held_len;
	bool stopped; /* the service wants nothing */
	bool full;    /* the WebSocket's writable() will come */
	bool begun;   /* a part of a message was written */
	bool spoken;  /* the service has written, as a server of HTTP/2 does at once */
	bool closing;
};

static void count_error(const struct tunnel *tunnel, enum wsproxy_error error)
{
	const struct metrics *m = &tunnel->t->metrics;

	metrics_add(m, m->errors[error], 1);
}

static void drop_held(struct tunnel *tunnel)
{
	free(tunnel->held);
	tunnel->held = NULL;
	tunnel->held_len = 0;
}

static void end_inner(struct tunnel *tunnel, int err)
{
	struct nbs_conn *inner = tunnel->inner;

	tunnel->inner = NULL;
	drop_held(tunnel);
	if (inner != NULL)
		tunnel->t->host->carried_end(inner, err);
}

static void end(struct tunnel *tunnel, unsigned code, const char *reason)
{
	if (tunnel->closing)
		return;
	tunnel->closing = true;
	end_inner(tunnel, 0);
	tunnel->t->host->ws_close(tunnel->ws, code, reason);
}

static void end_broken(struct tunnel *tunnel, const char *reason)
{
	count_error(tunnel, WSPROXY_PIPE);
	end(tunnel, CLOSE_BROKEN, reason);
}

static void end_unserved(struct tunnel *tunnel)
{
	count_error(tunnel, WSPROXY_ACCEPT);
	end(tunnel, CLOSE_BROKEN, "not served now");
}

static void end_stopping(struct tunnel *tunnel)
{
	end(tunnel, CLOSE_GOING_AWAY, "server is shutting down");
}

/* --- from the WebSocket to the service --- */

static void hold(struct tunnel *tunnel, const void *bytes, size_t len)
{
	unsigned char *held = NULL;

	if (len <= HELD_MAX - tunnel->held_len)
		held = realloc(tunnel->held, tunnel->held_len + len);
	if (held == NULL) {
		end_broken(tunnel, "too much at once");
		return;
	}
	memcpy(held + tunnel->held_len, bytes, len);
	tunnel->held = held;
	tunnel->held_len += len;
}

static void tunnel_message(void *cookie, const void *bytes, size_t len, unsigned flags)
{
	struct tunnel *tunnel = cookie;
	struct transport *t = tunnel->t;

	if (tunnel->closing || (flags & NBS_WS_TEXT) || len == 0)
		return;
	metrics_add(&t->metrics, t->metrics.to_grpc, (double)len);
	if (tunnel->stopped)
		hold(tunnel, bytes, len);
	else
		t->host->carried_bytes(tunnel->inner, bytes, len);
}

/* What is held may stop the flow again. */
static void deliver_held(struct tunnel *tunnel)
{
	unsigned char *held = tunnel->held;
	const size_t len = tunnel->held_len;

	tunnel->held = NULL;
	tunnel->held_len = 0;
	if (held != NULL)
		tunnel->t->host->carried_bytes(tunnel->inner, held, len);
	free(held);
}

static void inner_flow(void *cookie, int on)
{
	struct tunnel *tunnel = cookie;
	struct nbs_host *host = tunnel->t->host;

	tunnel->stopped = !on;
	if (on)
		deliver_held(tunnel);
	if (!on)
		host->ws_pause(tunnel->ws);
	else if (!tunnel->stopped)
		host->ws_resume(tunnel->ws);
}

/* --- from the service to the WebSocket --- */

static size_t inner_write(void *cookie, const void *bytes, size_t len)
{
	struct tunnel *tunnel = cookie;
	struct transport *t = tunnel->t;
	const unsigned flags = NBS_WS_FINAL | (tunnel->begun ? 0 : NBS_WS_FIRST);
	size_t n = t->host->ws_write(tunnel->ws, bytes, len, flags);

	tunnel->spoken = true;
	tunnel->full = n < len;
	if (!tunnel->full)
		tunnel->begun = false;
	else if (n > 0)
		tunnel->begun = true;
	metrics_add(&t->metrics, t->metrics.to_ws, (double)n);
	return n;
}

static void tunnel_writable(void *cookie)
{
	struct tunnel *tunnel = cookie;

	tunnel->full = false;
	if (tunnel->inner != NULL)
		tunnel->t->host->carried_writable(tunnel->inner);
}

/* --- ends --- */

static void inner_closed(void *cookie, int how)
{
	struct tunnel *tunnel = cookie;

	tunnel->inner = NULL;
	if (sockets_told(&tunnel->t->sockets, SOCKET_TUNNEL))
		end_stopping(tunnel);
	else if (!tunnel->spoken)
		end_unserved(tunnel);
	else if (how == NBS_CLOSE_ABORT)
		end_broken(tunnel, "the connection inside broke");
	else
		end(tunnel, CLOSE_NORMAL, NULL);
}

static const struct nbs_carrier_ops carrier_ops = {
    .size = sizeof(carrier_ops),
    .write = inner_write,
    .flow = inner_flow,
    .closed = inner_closed,
};

static void tunnel_woken(void *cookie)
{
	struct tunnel *tunnel = cookie;

	if (sockets_told(&tunnel->t->sockets, SOCKET_TUNNEL))
		end_stopping(tunnel);
}

static void note_end(const struct tunnel *tunnel, bool clean, unsigned code)
{
	struct nbs_host *host = tunnel->t->host;

	if (!tunnel->closing && !clean)
		count_error(tunnel, tunnel->full ? WSPROXY_WRITE : WSPROXY_READ);
	if (host->log_enabled(host, NBS_DEBUG))
		host->log(host, NBS_DEBUG, "tunnel ends: code=%u", code);
}

static void tunnel_closed(void *cookie, unsigned code)
{
	struct tunnel *tunnel = cookie;
	struct transport *t = tunnel->t;
	const bool clean =
	    code == CLOSE_NORMAL || code == CLOSE_GOING_AWAY || code == CLOSE_NO_CODE;

	note_end(tunnel, clean, code);
	end_inner(tunnel, clean ? 0 : -ECONNRESET);
	metrics_add(&t->metrics, t->metrics.tunnels, -1);
	sockets_leave(&t->sockets, SOCKET_TUNNEL, &tunnel->socket);
	free(tunnel);
}

static const struct nbs_ws_ops ws_ops = {
    .size = sizeof(ws_ops),
    .message = tunnel_message,
    .writable = tunnel_writable,
    .woken = tunnel_woken,
    .closed = tunnel_closed,
};

/* --- the upgrade --- */

static int tunnel_open(void *arg, struct nbs_ws *ws, const struct nbs_ws_ops **ops, void **cookie)
{
	struct transport *t = arg;
	struct tunnel *tunnel = calloc(1, sizeof(*tunnel));
	int r = -ENOMEM;

	if (tunnel == NULL)
		goto err0;
	tunnel->t = t;
	tunnel->ws = ws;
	if ((r = sockets_enter(&t->sockets, SOCKET_TUNNEL, &tunnel->socket, ws)) < 0)
		goto err1;
	if ((r = t->host->ws_carry(ws, "h2", &carrier_ops, tunnel, &tunnel->inner)) < 0)
		goto err2;
	metrics_add(&t->metrics, t->metrics.tunnels, 1);
	*ops = &ws_ops;
	*cookie = tunnel;
	return 0;
err2:
	sockets_leave(&t->sockets, SOCKET_TUNNEL, &tunnel->socket);
err1:
	free(tunnel);
err0:
	metrics_add(&t->metrics, t->metrics.errors[WSPROXY_ACCEPT], 1);
	return r;
}

const struct nbs_ws_path tunnel_path = {
    .size = sizeof(tunnel_path),
    .path = "/ws-proxy/signal",
    .subprotocol = NULL,
    .classes = NBS_PUBLIC,
    .open = tunnel_open,
};
