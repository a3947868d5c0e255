/*
 * HTTPS by libcurl, one request at a time: bounded in size and time, TLS 1.2 and later, redirects
 * not followed, and it can be cancelled from another thread.  Proxies are those of the environment
 * (https_proxy, no_proxy), as with curl itself.
 */
#ifndef LETSENCRYPT_WEB_H
#define LETSENCRYPT_WEB_H

#include "failure.h"

#include <stdbool.h>
#include <stddef.h>

/* Longest URL that is asked, longest header value that is kept, each with NUL. */
#define WEB_URL_MAX 2048
#define WEB_VALUE_MAX 512
/* What an answer's body may have, and all its headers.  JSON in memory has up to a hundred times
 * the size of its text. */
#define WEB_BODY_MAX ((size_t)256 * 1024)
#define WEB_HEADERS_MAX ((size_t)64 * 1024)
/* A longer Retry-After is taken as this. */
#define WEB_RETRY_AFTER_MAX ((uint64_t)7 * 86400)

struct web;

enum web_method { WEB_GET, WEB_HEAD, WEB_POST };

struct web_request {
	enum web_method method;
	const char *url;
	const char *body;   /* of a POST: application/jose+json */
	const char *accept; /* NULL: anything */
};

struct web_answer {
	unsigned status;
	char *body; /* ended by NUL, never NULL; may have NUL inside */
	size_t len;
	char type[WEB_VALUE_MAX];  /* of the content, without parameters, in lower case */
	char nonce[WEB_VALUE_MAX]; /* each "" if there was none, or a longer one */
	char location[WEB_URL_MAX];
	bool has_retry_after;
	uint64_t retry_after_s;
};

/* ca_file (NULL: the system's) is copied. */
int web_open(struct web **out, const char *ca_file, unsigned timeout_s, struct failure *f);
void web_close(struct web *web);

/* 0: there is an answer, of whatever status, to be freed.  -EIO: none (FAILURE_NETWORK).
 * -ECANCELED.  -ENOMEM. */
int web_ask(struct web *web, const struct web_request *request, struct web_answer *answer,
            struct failure *f);
void web_answer_free(struct web_answer *answer);

/* [any] What runs ends soon, all that begins later ends at once. */
void web_cancel(struct web *web);
/* Waits; -ECANCELED ends it. */
int web_wait(struct web *web, uint64_t ms, struct failure *f);
uint64_t web_now_ms(void); /* CLOCK_MONOTONIC */
int web_cancelled(const struct web *web, struct failure *f);

/* The host and port of a URL, for messages. */
void web_host(const char *url, char *host, size_t size);
/* Whether a URL is one that we ask: https, not too long, without spaces and passwords. */
bool web_url_ok(const char *url);

#endif
