/* The self-check of http-01: the CA's own question (RFC 8555, 8.3), asked first by ourselves. */
#include "challenges_private.h"

#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct body {
	char bytes[512]; /* a key authorization has less */
	size_t len;
};

static size_t take_body(char *bytes, size_t one, size_t n, void *arg)
{
	struct body *body = arg;

	(void)one; /* is 1 */
	if (n > sizeof(body->bytes) - body->len)
		return 0; /* CURLE_WRITE_ERROR: it is something else */
	memcpy(body->bytes + body->len, bytes, n);
	body->len += n;
	return n;
}

/* White space at its end is no part of it (RFC 8555, 8.3). */
static bool is_expected(const struct body *body, const char *key_authorization)
{
	size_t len = body->len;

	while (len > 0 && strchr(" \t\r\n", body->bytes[len - 1]) != NULL)
		len--;
	return len == strlen(key_authorization) && memcmp(body->bytes, key_authorization, len) == 0;
}

/* What came, and what to do about it. */
static void tell(const struct probe *p, unsigned port, long status, char *text, size_t size)
{
	if (p->result != CURLE_OK && p->result != CURLE_WRITE_ERROR) {
		probe_tell(p, port, text, size);
		return;
	}
	if (status == 200)
		snprintf(text, size,
		         "something else came: another server answers there; make port %u "
		         "lead to this one",
		         port);
	else
		snprintf(text, size,
		         "status %ld came: another server answers there; make port %u lead "
		         "to this one",
		         status, port);
}

/* Where it ended if that is not where it began. */
static const char *redirected(const struct probe *p)
{
	char *url = NULL;
	long n = 0;

	curl_easy_getinfo(p->easy, CURLINFO_REDIRECT_COUNT, &n);
	curl_easy_getinfo(p->easy, CURLINFO_EFFECTIVE_URL, &url);
	return n > 0 && url != NULL ? url : "";
}

static int judge(struct selfcheck *s, const struct probe *p, const struct body *body)
{
	const char *to = redirected(p);
	char text[200];
	long status = 0;

	curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
	if (p->result == CURLE_OK && status == 200 &&
	    is_expected(body, s->challenge->key_authorization))
		return 0;
	tell(p, s->settings->http_port, status, text, sizeof(text));
	/* Without the token, which nobody can use any more when this is read. */
	snprintf(s->why, sizeof(s->why), "http-01: %.*s (%.120s)%s%.80s: %.160s",
	         (int)(strlen(p->url) - strlen(s->challenge->token)), p->url,
	         p->addresses[0] != '\0' ? p->addresses : "no address",
	         *to != '\0' ? " redirected to " : "", to, text);
	return -EHOSTUNREACH;
}

int selfcheck_http(struct selfcheck *s)
{
	struct probe p = {.cancel = s->cancel,
	                  .until =
	                      cancel_now() + (int64_t)s->settings->self_check_timeout_s * 1000};
	struct body body = {.len = 0};
	char path[sizeof(HTTP01_PATH) + 256];
	int r;

	snprintf(path, sizeof(path), HTTP01_PATH "%s", s->challenge->token);
	r = probe_open(&p, s->challenge->identifier.value, s->settings->http_port, path);
	if (r < 0)
		return r;
	if (curl_easy_setopt(p.easy, CURLOPT_WRITEFUNCTION, take_body) != CURLE_OK ||
	    curl_easy_setopt(p.easy, CURLOPT_WRITEDATA, &body) != CURLE_OK)
		r = -ENOMEM;
	if (r == 0 && (r = probe_run(&p)) == 0)
		r = judge(s, &p, &body);
	probe_close(&p);
	return r;
}
