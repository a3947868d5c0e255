/*
 * One request.  Everything that could make two readers see different requests is refused: a
 * Content-Length that is not one number, any Transfer-Encoding, no Host.  Bodies that a route does
 * not want are not read, but thrown away for a moment after the answer: closing at once would
 * reset the connection, and the client might never see why.
 */
#include "http_private.h"

#include "conn.h"
#include "log.h"
#include "routes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What comes after the header. */
enum follows {
	NOTHING,
	BODY,    /* as long as announced */
	ANYTHING /* libwebsockets takes all that comes for a body */
};

struct nbs_request {
	struct http_conn *c;
	const struct route *route;
	const char *method, *path;
	bool head, first, close; /* HEAD; the first, the last of its connection */
	bool answered, broken;   /* request_reply() was called; ... and failed */
	enum follows follows;
	size_t length; /* of the body, as announced */
	size_t have;
	unsigned char body[]; /* `length` bytes */
};

void http_request_free(struct nbs_request *request)
{
	free(request);
}

/* --- for routes ------------------------------------------------------------------------------ */

void http_request_about(struct nbs_request *request, struct nbs_request_about *about)
{
	const struct nbs_request_about full = {.size = about->size,
	                                       .method = request->method,
	                                       .path = request->path,
	                                       .body = request->body,
	                                       .body_len = request->have};

	memcpy(about, &full, about->size < sizeof(full) ? about->size : sizeof(full));
}

void http_request_conn(struct nbs_request *request, struct nbs_conn_about *about)
{
	conn_about(request->c->conn, about);
}

int http_request_header(struct nbs_request *request, const char *name, char *value, size_t size)
{
	return http_header_copy(request->c, name, value, size);
}

int http_request_query(struct nbs_request *request, const char *name, char *value, size_t size)
{
	return http_header_query(request->c, name, value, size);
}

int http_request_reply(struct nbs_request *request, unsigned status, const char *content_type,
                       const char *headers, const void *body, size_t len)
{
	const struct reply reply = {.status = status,
	                            .content_type = content_type,
	                            .headers = headers,
	                            .body = body,
	                            .len = len,
	                            .head = request->head,
	                            .close = request->close};
	int r;

	if (request->answered)
		return -EALREADY;
	if (status < 200 || status > 599)
		return -EINVAL;
	request->answered = true;
	if ((r = http_reply(request->c, &reply)) < 0)
		request->broken = true;
	return r;
}

/* --- for libwebsockets ----------------------------------------------------------------------- */

/* After the answer: 0, or -1 to close. */
static int finish(struct http_conn *c, bool close)
{
	c->phase = HTTP_WAITING;
	if (!http_send_is_done(c))
		return http_send_rest(c, close);
	http_conn_deadline(c, close ? HTTP_CLOSE_MS : HTTP_IDLE_MS);
	return close || lws_http_transaction_completed(c->wsi) != 0 ? -1 : 0;
}

static bool is(const char *method, const char *which)
{
	return strcmp(method, which) == 0;
}

/* How long the body is: 0 without a Content-Length; -EINVAL: not one number. */
static int read_length(struct http_conn *c, size_t *length)
{
	char text[20];

	*length = 0;
	if (lws_hdr_total_length(c->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
		return 0;
	if (lws_hdr_copy(c->wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0 ||
	    strspn(text, "0123456789") != strlen(text))
		return -EINVAL;
	*length = strtoul(text, NULL, 10);
	return 0;
}

/* The form of the request: 0, or the status of the answer. */
static unsigned judge_form(struct nbs_request *rq)
{
	struct http_conn *c = rq->c;
	const bool sized = lws_hdr_total_length(c->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
	const bool chunked = lws_hdr_total_length(c->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;

	rq->close = true;
	/* libwebsockets decodes %0a before it looks for the end of the line: what was part of the
	 * path is a header then, and the version is gone. */
	if (!http_header_is_1_1(c) && !http_header_is_1_0(c))
		return 400;
	if ((rq->method = http_header_method(c, &rq->path)) == NULL)
		return 400;
	rq->head = is(rq->method, "HEAD");
	if (!sized && (is(rq->method, "POST") || is(rq->method, "PUT") || is(rq->method, "PATCH")))
		rq->follows = ANYTHING;
	if (read_length(c, &rq->length) < 0)
		return 400;
	if (rq->length > 0)
		rq->follows = BODY;
	if (http_header_is_1_1(c) && lws_hdr_total_length(c->wsi, WSI_TOKEN_HOST) <= 0)
		return 400;
	if (chunked)
		return sized ? 400 : 411;
	rq->close = rq->follows == ANYTHING || !http_header_is_1_1(c) ||
	            http_header_has(c, WSI_TOKEN_CONNECTION, "close");
	return 0;
}

/* Where it goes: 0 and rq->route, or the status of the answer and its headers. */
static unsigned find_route(struct nbs_request *rq, char *headers, size_t size)
{
	const unsigned class = http_conn_class(rq->c);
	const struct routes *routes = rq->c->http->routes;
	char allow[64];

	if (routes_find_ws(routes, rq->path, class) != NULL) {
		snprintf(headers, size, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
		return 426;
	}
	rq->route = routes_find(routes, rq->method, rq->path, class, allow, sizeof(allow));
	if (rq->route != NULL)
		return 0;
	if (*allow == '\0')
		return 404;
	snprintf(headers, size, "Allow: %s\r\n", allow);
	return 405;
}

/* Whether the client waits to be told that it may send the body. */
static bool asks_first(struct http_conn *c)
{
	return http_header_has(c, WSI_TOKEN_HTTP_EXPECT, "100-continue");
}

static unsigned judge(struct nbs_request *rq, char *headers, size_t size)
{
	unsigned status;

	*headers = '\0';
	rq->first = !rq->c->served;
	rq->c->served = true;
	if ((status = judge_form(rq)) != 0 || (status = find_route(rq, headers, size)) != 0)
		return status;
	if (rq->follows == ANYTHING)
		return 411;
	if (rq->length > rq->route->ops->max_body)
		return 413;
	if (lws_hdr_total_length(rq->c->wsi, WSI_TOKEN_HTTP_EXPECT) > 0 && !asks_first(rq->c))
		return 417;
	return 0;
}

static int refuse(struct nbs_request *rq, unsigned status, const char *headers)
{
	struct http_conn *c = rq->c;
	const bool body = rq->follows != NOTHING;

	if (http_reply_error(c, status, headers, rq->head, rq->close || body) < 0)
		return -1;
	if (!body || asks_first(c))
		return finish(c, rq->close || body);
	c->phase = HTTP_REFUSING;
	http_conn_deadline(c, HTTP_LINGER_MS);
	return 0;
}

static int serve(struct nbs_request *rq)
{
	static struct log_limit limit;

	log_debug("http", "request method=%s path=%s id=%llu", rq->method, rq->path,
	          (unsigned long long)rq->c->conn->id);
	rq->route->ops->handle(rq->route->arg, rq);
	if (!rq->answered) {
		log_limited(&limit, NBS_WARN, "http",
		            "plugin %s left a request without an answer: path=%s", rq->route->owner,
		            rq->route->ops->path);
		rq->broken = http_reply_error(rq->c, 500, NULL, rq->head, rq->close) < 0;
	}
	return rq->broken ? -1 : 0;
}

static int await_body(const struct nbs_request *seen)
{
	struct http_conn *c = seen->c;
	struct nbs_request *rq = malloc(sizeof(*rq) + seen->length);

	if (rq == NULL)
		return -1;
	*rq = *seen;
	c->request = rq;
	c->phase = HTTP_BODY;
	http_conn_deadline(c, conn_handshake_timeout(c->conn));
	return rq->follows == BODY && asks_first(c) && http_reply_continue(c) < 0 ? -1 : 0;
}

int http_request_begin(struct http_conn *c)
{
	struct nbs_request rq = {.c = c};
	char headers[128];
	unsigned status;

	if ((status = judge(&rq, headers, sizeof(headers))) != 0)
		return refuse(&rq, status, headers);
	/* libwebsockets calls back for an empty body of POST as well, and of no other method. */
	if (rq.follows == BODY || is(rq.method, "POST"))
		return await_body(&rq);
	return serve(&rq) < 0 ? -1 : finish(c, rq.close);
}

/*
 * When a request with a body was sent before the one in front of it was answered, libwebsockets
 * (4.1.6) has it in a buffer of its own, and hands over the request line for the begin of the body.
 */
static bool is_request_line(const struct nbs_request *rq, const char *bytes, size_t len)
{
	const size_t method = strlen(rq->method);

	if (rq->first || rq->have > 0 ||
	    strncmp(bytes, rq->method, len < method ? len : method) != 0)
		return false;
	return (len <= method || bytes[method] == ' ') &&
	       (len <= method + 1 || bytes[method + 1] == '/');
}

int http_request_body(struct http_conn *c, const void *bytes, size_t len)
{
	struct nbs_request *rq = c->request;

	if (rq == NULL)
		return 0; /* thrown away */
	if (len > rq->length - rq->have)
		return -1;
	if (len > 0 && is_request_line(rq, bytes, len)) {
		http_reply_error(c, 400, NULL, rq->head, true);
		return -1;
	}
	if (len > 0)
		memcpy(rq->body + rq->have, bytes, len);
	rq->have += len;
	return 0;
}

int http_request_complete(struct http_conn *c)
{
	struct nbs_request *rq = c->request;
	bool close;

	if (rq == NULL)
		return -1; /* refused, and all of it has come */
	if (serve(rq) < 0)
		return -1;
	close = rq->close;
	c->request = NULL;
	http_request_free(rq);
	return finish(c, close);
}

int http_request_serve(struct http_conn *c)
{
	struct nbs_request rq = {.c = c};
	char headers[128];
	unsigned status = judge(&rq, headers, sizeof(headers));

	rq.close = true;
	if (status == 0 && rq.follows != NOTHING)
		status = 400; /* libwebsockets would read no body now */
	if (status == 0)
		serve(&rq);
	else
		http_reply_error(c, status, headers, rq.head, true);
	return http_send_last(c);
}
