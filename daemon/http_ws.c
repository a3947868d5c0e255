/*
 * WebSockets.  What is written goes to the socket at once, in frames of at most HTTP_FRAME_MAX;
 * when it does not take a whole frame, libwebsockets keeps the rest of that one, and nothing more
 * is taken until it is gone.  Closing is left to http_ws_due(): libwebsockets, as Debian builds it,
 * closes twice when it is told so from its writable callback, and then sends no close frame.
 */
#include "http_private.h"

#include "conn.h"
#include "log.h"
#include "metrics.h"
#include "routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_CODE 1005 /* RFC 6455, 7.4.1 */
#define BROKEN 1006
#define REASON_MAX 123

struct nbs_conn *http_ws_conn(struct nbs_ws *ws)
{
	return ws->c->conn;
}

int http_ws_header(struct nbs_ws *ws, const char *name, char *value, size_t size)
{
	return http_header_copy(ws->c, name, value, size);
}

int http_ws_query(struct nbs_ws *ws, const char *name, char *value, size_t size)
{
	return http_header_query(ws->c, name, value, size);
}

void http_ws_about(struct nbs_ws *ws, struct nbs_conn_about *about)
{
	conn_about(ws->c->conn, about);
}

/* --- writing --------------------------------------------------------------------------------- */

static int write_type(unsigned flags, bool begins, bool ends)
{
	int type = LWS_WRITE_CONTINUATION;

	if (begins && (flags & NBS_WS_FIRST))
		type = (flags & NBS_WS_TEXT) ? LWS_WRITE_TEXT : LWS_WRITE_BINARY;
	return ends && (flags & NBS_WS_FINAL) ? type : type | LWS_WRITE_NO_FIN;
}

static void write_frame(struct nbs_ws *ws, const unsigned char *bytes, size_t len, int type)
{
	unsigned char *out = ws->c->http->out + LWS_PRE;

	if (len > 0)
		memcpy(out, bytes, len);
	if (lws_write(ws->c->wsi, out, len, (enum lws_write_protocol)type) < 0) {
		ws->broken = true;
		http_conn_kill(ws->c);
	}
	ws->choked = lws_partial_buffered(ws->c->wsi) != 0;
}

size_t http_ws_write(struct nbs_ws *ws, const void *bytes, size_t len, unsigned flags)
{
	size_t taken = 0;

	if (len == 0 && !ws->closing && !ws->broken)
		write_frame(ws, NULL, 0, write_type(flags, true, true));
	while (taken < len && !ws->choked && !ws->closing && !ws->broken) {
		const size_t n = len - taken < HTTP_FRAME_MAX ? len - taken : HTTP_FRAME_MAX;

		write_frame(ws, (const unsigned char *)bytes + taken, n,
		            write_type(flags, taken == 0, taken + n == len));
		taken += n;
	}
	if (ws->closing || ws->broken)
		return len;
	if (taken < len)
		ws->owed = true;
	return taken;
}

/* Everything that libwebsockets kept has gone. */
void http_ws_room(struct nbs_ws *ws)
{
	if (lws_partial_buffered(ws->c->wsi))
		return;
	if (ws->choked)
		http_pings_heard(&ws->c->http->pings, ws);
	ws->choked = false;
	if (ws->closing) {
		http_conn_soon(ws->c);
		return;
	}
	if (!ws->owed || ws->ops == NULL)
		return;
	ws->owed = false;
	ws->ops->writable(ws->cookie);
}

/* --- reading --------------------------------------------------------------------------------- */

void http_ws_pause(struct nbs_ws *ws)
{
	if (ws->paused || ws->closing)
		return;
	ws->paused = true;
	lws_rx_flow_control(ws->c->wsi, 0);
}

void http_ws_resume(struct nbs_ws *ws)
{
	if (!ws->paused || ws->closing)
		return;
	ws->paused = false;
	lws_rx_flow_control(ws->c->wsi, 1);
	if (ws->choked) /* what was read already comes after an event, and there may be none */
		lws_cancel_service(ws->c->http->context);
}

static unsigned message_flags(struct lws *wsi)
{
	return (lws_is_first_fragment(wsi) ? NBS_WS_FIRST : 0) |
	       (lws_is_final_fragment(wsi) ? NBS_WS_FINAL : 0) |
	       (lws_frame_is_binary(wsi) ? 0 : NBS_WS_TEXT);
}

static int violation(struct nbs_ws *ws, const char *what)
{
	unsigned char text[64];
	const size_t len = strlen(what);

	memcpy(text, what, len);
	lws_close_reason(ws->c->wsi, LWS_CLOSE_STATUS_PROTOCOL_ERR, text, len);
	return -1;
}

int http_ws_received(struct nbs_ws *ws, const void *bytes, size_t len)
{
	const char *fault = http_frame_fault(ws, bytes, len);

	if (fault != NULL)
		return violation(ws, fault);
	http_pings_heard(&ws->c->http->pings, ws);
	if (!ws->closing && !ws->broken && ws->ops != NULL)
		ws->ops->message(ws->cookie, bytes, len, message_flags(ws->c->wsi));
	return 0;
}

static void give_reason(struct nbs_ws *ws)
{
	lws_close_reason(ws->c->wsi, ws->close_code, (unsigned char *)ws->reason,
	                 ws->reason != NULL ? strlen(ws->reason) : 0);
}

int http_ws_peer_closes(struct nbs_ws *ws, const unsigned char *payload, size_t len)
{
	if (len == 1)
		return violation(ws, "close");
	if (ws->closing && !ws->no_frame && ws->c->phase != HTTP_CLOSING) {
		/* Both close at once: ours is what the client is to learn. */
		ws->c->phase = HTTP_CLOSING;
		give_reason(ws);
		return -1;
	}
	ws->peer_code = len == 0 ? NO_CODE : (unsigned short)(payload[0] << 8 | payload[1]);
	return 0;
}

/* --- wake-ups -------------------------------------------------------------------------------- */

static void woken(struct io_task *task)
{
	struct nbs_ws *ws = IO_OF(task, struct nbs_ws, wake_task);

	atomic_store(&ws->waking, false);
	if (ws->gone)
		free(ws);
	else if (ws->ops != NULL && !ws->closing && !ws->told)
		ws->ops->woken(ws->cookie);
}

void http_ws_wake(struct nbs_ws *ws)
{
	if (!atomic_exchange(&ws->waking, true))
		io_post(ws->thread, &ws->wake_task);
}

/* --- begin and end --------------------------------------------------------------------------- */

int http_ws_opened(struct http_conn *c)
{
	const struct ws_path *path = c->path;
	struct nbs_ws *ws = calloc(1, sizeof(*ws));
	int r;

	if (ws == NULL)
		return -1;
	ws->c = c;
	ws->thread = c->http->thread;
	ws->peer_code = BROKEN;
	ws->wake_task.run = woken;
	c->ws = ws;
	c->phase = HTTP_WEBSOCKET;
	metrics_record(c->http->websockets, 1);
	conn_protocol_decided(c->conn, CONN_WEBSOCKET);
	http_pings_add(&c->http->pings, ws);
	if ((r = path->ops->open(path->arg, ws, &ws->ops, &ws->cookie)) < 0) {
		ws->ops = NULL;
		log_debug("http", "plugin %s does not take a WebSocket: %s", path->owner,
		          strerror(-r));
		http_ws_close(ws, r == -ESHUTDOWN ? 1001 : 1011, NULL);
	}
	return 0;
}

/* Those that may be sent (RFC 6455, 7.4). */
static bool may_be_sent(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

/* What fits into a close frame, and no half character. */
static char *copy_reason(const char *reason)
{
	size_t len = reason != NULL ? strlen(reason) : 0;

	if (len > REASON_MAX)
		for (len = REASON_MAX; len > 0 && (reason[len] & 0xc0) == 0x80;)
			len--;
	return len > 0 ? strndup(reason, len) : NULL;
}

void http_ws_close(struct nbs_ws *ws, unsigned code, const char *reason)
{
	struct http_conn *c = ws->c;

	if (ws->closing)
		return;
	http_ws_resume(ws); /* or the client's close frame would not be read */
	ws->closing = true;
	ws->no_frame = code == 0;
	ws->close_code = code == 0 ? BROKEN : may_be_sent(code) ? (unsigned short)code : 1011;
	ws->reason = copy_reason(reason);
	http_pings_remove(&c->http->pings, ws);
	http_conn_deadline(c, HTTP_CLOSE_MS);
	http_conn_soon(c);
}

/* Outside of libwebsockets' own calls.  What it keeps is sent first: http_ws_room() comes again. */
void http_ws_due(struct nbs_ws *ws)
{
	struct lws *wsi = ws->c->wsi;

	if (!ws->closing || ws->c->phase == HTTP_CLOSING || ws->told || lws_partial_buffered(wsi))
		return;
	ws->c->phase = HTTP_CLOSING;
	if (!ws->no_frame)
		give_reason(ws);
	lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

/* What libwebsockets or we found wrong with the client's frames; 0: nothing. */
static unsigned fault_code(struct nbs_ws *ws)
{
	const unsigned char *payload;

	if (ws->closing || ws->peer_code != BROKEN || lws_get_close_length(ws->c->wsi) < 2)
		return 0;
	payload = lws_get_close_payload(ws->c->wsi);
	return (unsigned)(payload[0] << 8 | payload[1]);
}

static void log_fault(struct nbs_ws *ws, unsigned code)
{
	static struct log_limit limit;
	char text[NBS_ADDR_MAX];

	metrics_count(ws->c->http->faults);
	conn_address_text(text, &ws->c->conn->remote.sa);
	log_limited(
	    &limit, NBS_WARN, "http",
	    "WebSocket closed: the client breaks the protocol code=%u listener=%s remote=%s", code,
	    ws->c->conn->origin->listener, text);
}

void http_ws_ended(struct nbs_ws *ws)
{
	unsigned fault, code;

	if (ws->told)
		return;
	if ((fault = fault_code(ws)) != 0)
		log_fault(ws, fault);
	code = ws->closing ? ws->close_code : fault != 0 ? fault : ws->peer_code;
	ws->told = ws->closing = true; /* closed() may still write */
	http_pings_remove(&ws->c->http->pings, ws);
	metrics_record(ws->c->http->websockets, -1);
	if (ws->ops != NULL)
		ws->ops->closed(ws->cookie, code);
}

void http_ws_free(struct nbs_ws *ws)
{
	http_ws_ended(ws);
	free(ws->reason);
	ws->reason = NULL;
	ws->c->ws = NULL;
	ws->gone = true;
	if (!atomic_load(&ws->waking))
		free(ws); /* else the wake-up does */
}
