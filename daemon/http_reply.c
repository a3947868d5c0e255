/* Answers: head and body in one piece. */
#include "http_private.h"

#include "metrics.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEAD_MAX 512 /* without what the route adds */

/* Each has its own series; the rest is the last one's. */
static const struct code {
	unsigned status;
	const char *words, *labels;
} codes[HTTP_CODES] = {
    {101, "Switching Protocols", "code=\"101\""},
    {200, "OK", "code=\"200\""},
    {204, "No Content", "code=\"204\""},
    {400, "Bad Request", "code=\"400\""},
    {401, "Unauthorized", "code=\"401\""},
    {403, "Forbidden", "code=\"403\""},
    {404, "Not Found", "code=\"404\""},
    {405, "Method Not Allowed", "code=\"405\""},
    {406, "Not Acceptable", "code=\"406\""},
    {408, "Request Timeout", "code=\"408\""},
    {411, "Length Required", "code=\"411\""},
    {413, "Content Too Large", "code=\"413\""},
    {417, "Expectation Failed", "code=\"417\""},
    {426, "Upgrade Required", "code=\"426\""},
    {429, "Too Many Requests", "code=\"429\""},
    {500, "Internal Server Error", "code=\"500\""},
    {501, "Not Implemented", "code=\"501\""},
    {503, "Service Unavailable", "code=\"503\""},
    {0, "", "code=\"none\""}, /* the request never became whole, or was no HTTP */
    {1, "", "code=\"other\""},
};

int http_reply_metrics(struct http *http, struct metrics *metrics)
{
	struct metrics_series table[HTTP_CODES + 3] = {
	    {&http->websockets, NBS_GAUGE, "websockets_open", NULL, "WebSockets that are open now.",
	     NULL, 0},
	    {&http->faults, NBS_COUNTER, "websocket_faults_total", NULL,
	     "WebSockets closed because the client broke the protocol.", NULL, 0},
	};

	for (int i = 0; i < HTTP_CODES; i++)
		table[2 + i] =
		    (struct metrics_series){&http->requests[i],
		                            NBS_COUNTER,
		                            "http_requests_total",
		                            codes[i].labels,
		                            "HTTP requests, by the status of the answer.",
		                            NULL,
		                            0};
	return metrics_register_table(metrics, table);
}

static int find_code(unsigned status)
{
	for (int i = 0; i < HTTP_CODES; i++)
		if (codes[i].status == status)
			return i;
	return HTTP_CODES - 1;
}

void http_reply_count(struct http *http, unsigned status)
{
	metrics_count(http->requests[find_code(status)]);
}

/* One thread; once a second. */
static const char *date(void)
{
	static char text[40];
	static time_t shown;
	const time_t now = time(NULL);
	struct tm tm;

	if (now != shown && gmtime_r(&now, &tm) != NULL) {
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		shown = now;
	}
	return text;
}

struct text {
	char *at;
	size_t len, size;
};

static void NBS_PRINTF(2, 3) add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n < t->size - t->len ? (size_t)n : t->size - t->len - 1;
}

static void add_head(struct text *t, const struct reply *r)
{
	const int code = find_code(r->status);

	add(t, "HTTP/1.1 %u %s\r\nDate: %s\r\n", r->status,
	    code < HTTP_CODES - 1 ? codes[code].words : "Other", date());
	if (r->content_type != NULL)
		add(t, "Content-Type: %.200s\r\n", r->content_type);
	if (r->status != 204 && r->status != 304)
		add(t, "Content-Length: %zu\r\n", r->len);
	if (r->close)
		add(t, "Connection: close\r\n");
	if (r->headers != NULL)
		add(t, "%s", r->headers);
	add(t, "\r\n");
}

int http_reply(struct http_conn *c, const struct reply *r)
{
	const size_t head_max = HEAD_MAX + (r->headers != NULL ? strlen(r->headers) : 0);
	const size_t body = r->head || r->status == 204 || r->status == 304 ? 0 : r->len;
	struct text t = {.size = head_max};
	char *all = malloc(head_max + body);
	int err;

	if (all == NULL)
		return -ENOMEM;
	t.at = all;
	add_head(&t, r);
	if (body > 0)
		memcpy(all + t.len, r->body, body);
	http_reply_count(c->http, r->status);
	err = http_send(c, all, t.len + body);
	free(all);
	return err;
}

int http_reply_error(struct http_conn *c, unsigned status, const char *headers, bool head,
                     bool close)
{
	char body[64];
	const int len = snprintf(body, sizeof(body), "%s\n", codes[find_code(status)].words);

	return http_reply(c, &(struct reply){.status = status,
	                                     .content_type = "text/plain; charset=utf-8",
	                                     .headers = headers,
	                                     .body = body,
	                                     .len = (size_t)len,
	                                     .head = head,
	                                     .close = close});
}

int http_reply_continue(struct http_conn *c)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	return http_send(c, text, sizeof(text) - 1);
}
