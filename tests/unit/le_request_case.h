/* A request of the HTTP server as a route sees it, and what the route answers. */
#ifndef LE_REQUEST_CASE_H
#define LE_REQUEST_CASE_H

#include "le_case.h"

struct nbs_request {
	const char *path;
	unsigned status, replies;
	char type[64], headers[256], body[1024];
};

static void case_request_about(struct nbs_request *r, struct nbs_request_about *about)
{
	about->method = "GET";
	about->path = r->path;
	about->body = NULL;
	about->body_len = 0;
}

static void case_request_conn(struct nbs_request *r, struct nbs_conn_about *about)
{
	(void)r;
	snprintf(about->remote, sizeof(about->remote), "192.0.2.7:40000");
}

static int case_request_reply(struct nbs_request *r, unsigned status, const char *type,
                              const char *headers, const void *body, size_t len)
{
	cr_assert_lt(len, sizeof(r->body));
	r->status = status;
	r->replies++;
	snprintf(r->type, sizeof(r->type), "%s", type);
	snprintf(r->headers, sizeof(r->headers), "%s", headers != NULL ? headers : "");
	memcpy(r->body, body, len);
	r->body[len] = '\0';
	return 0;
}

static struct nbs_host *case_http_open(void)
{
	struct nbs_host *host = case_host_open();

	host->request_about = case_request_about;
	host->request_conn = case_request_conn;
	host->request_reply = case_request_reply;
	return host;
}

/* Asks the route that was registered. */
static struct nbs_request case_ask(const char *path)
{
	struct nbs_request r = {.path = path};

	case_host.route->handle(case_host.route_arg, &r);
	cr_assert_eq(r.replies, 1);
	return r;
}

#endif
