/* libcurl's multi interface with one transfer: its poll also waits for the eventfd of web_cancel(),
 * so that no phase, not even the resolver's, delays the end. */
#include "web.h"

#include "dates.h"

#include <curl/curl.h>

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_S 15u

struct web {
	CURLM *multi;
	CURL *easy;
	int wake; /* readable from web_cancel() on */
	_Atomic bool cancelled;
	struct web_answer *answer; /* of the request under way */
	size_t headers;            /* its bytes of headers */
	const char *refused;       /* why we broke off, or NULL */
	char words[CURL_ERROR_SIZE];
};

static size_t take_body(char *bytes, size_t one, size_t n, void *arg)
{
	struct web *web = arg;
	struct web_answer *a = web->answer;
	char *grown;

	n *= one;
	if (n > WEB_BODY_MAX - a->len) {
		web->refused = "its answer is longer than 256 KiB";
		return 0;
	}
	if ((grown = realloc(a->body, a->len + n + 1)) == NULL) {
		web->refused = "no memory for its answer";
		return 0;
	}
	a->body = grown;
	memcpy(a->body + a->len, bytes, n);
	a->len += n;
	a->body[a->len] = '\0';
	return n;
}

/* Only counts: what is wanted of the headers is asked of libcurl at the end. */
static size_t take_header(char *line, size_t one, size_t n, void *arg)
{
	struct web *web = arg;

	(void)line;
	n *= one;
	web->headers += n;
	if (web->headers > WEB_HEADERS_MAX) {
		web->refused = "its headers are longer than 64 KiB";
		return 0;
	}
	return n;
}

static CURLcode set_bounds(CURL *easy, unsigned timeout_s)
{
	unsigned connect_s = timeout_s < CONNECT_TIMEOUT_S ? timeout_s : CONNECT_TIMEOUT_S;
	CURLcode r = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");

	r = r ? r : curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* No limit of speed beside it: a CA may think about an order for as long as this. */
	r = r ? r : curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)timeout_s);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)connect_s);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* A resolver that does not answer is not waited for at the end: its thread touches nothing
	 * of ours and frees itself. */
	r = r ? r : curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	return r;
}

static CURLcode set_manners(struct web *web, const char *ca_file)
{
	CURL *easy = web->easy;
	CURLcode r = curl_easy_setopt(easy, CURLOPT_USERAGENT, "netbird-signal/" VERSION);

	/* Requests come one after the other: HTTP/2 would gain nothing. */
	r = r ? r : curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, web->words);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_WRITEDATA, web);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_HEADERDATA, web);
	if (ca_file == NULL)
		return r;
	/* Those of the file alone: the folder that is compiled into libcurl would add to them. */
	r = r ? r : curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
	return r ? r : curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
}

int web_open(struct web **out, const char *ca_file, unsigned timeout_s, struct failure *f)
{
	struct web *web = calloc(1, sizeof(*web));
	int r = -ENOMEM;

	if (web == NULL)
		goto err0;
	if ((web->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
		r = -errno;
		goto err1;
	}
	if ((web->multi = curl_multi_init()) == NULL)
		goto err2;
	if ((web->easy = curl_easy_init()) == NULL)
		goto err3;
	if (set_bounds(web->easy, timeout_s) != CURLE_OK || set_manners(web, ca_file) != CURLE_OK)
		goto err4;
	*out = web;
	return 0;
err4:
	curl_easy_cleanup(web->easy);
err3:
	curl_multi_cleanup(web->multi);
err2:
	close(web->wake);
err1:
	free(web);
err0:
	return failure_set(f, FAILURE_LOCAL, r, "cannot prepare HTTPS: %s", strerror(-r));
}

void web_close(struct web *web)
{
	if (web == NULL)
		return;
	curl_easy_cleanup(web->easy);
	curl_multi_cleanup(web->multi);
	close(web->wake);
	free(web);
}

void web_cancel(struct web *web)
{
	atomic_store(&web->cancelled, true);
	eventfd_write(web->wake, 1);
}

int web_cancelled(const struct web *web, struct failure *f)
{
	if (!atomic_load(&web->cancelled))
		return 0;
	return failure_set(f, FAILURE_NONE, -ECANCELED, "cancelled");
}

uint64_t web_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int web_wait(struct web *web, uint64_t ms, struct failure *f)
{
	struct pollfd wake = {.fd = web->wake, .events = POLLIN};
	uint64_t end = web_now_ms() + ms, now;
	int r;

	while ((r = web_cancelled(web, f)) == 0 && (now = web_now_ms()) < end)
		poll(&wake, 1, end - now < 60000 ? (int)(end - now) : 60000);
	return r;
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
	char line[128];
	struct curl_slist *grown;

	snprintf(line, sizeof(line), "%s: %s", name, value);
	if ((grown = curl_slist_append(*list, line)) == NULL)
		return false;
	*list = grown;
	return true;
}

static CURLcode set_request(struct web *web, const struct web_request *q,
                            struct curl_slist **headers)
{
	CURL *easy = web->easy;
	CURLcode r = curl_easy_setopt(easy, CURLOPT_URL, q->url);

	/* HTTPGET takes back what the request before has set, NOBODY or POST. */
	r = r ? r : curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	if (q->method == WEB_HEAD)
		r = r ? r : curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	if (q->method == WEB_POST) {
		r = r ? r : curl_easy_setopt(easy, CURLOPT_POST, 1L);
		r = r ? r : curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(q->body));
		r = r ? r : curl_easy_setopt(easy, CURLOPT_POSTFIELDS, q->body);
		if (!add_header(headers, "Content-Type", "application/jose+json"))
			r = CURLE_OUT_OF_MEMORY;
	}
	if (q->accept != NULL && !add_header(headers, "Accept", q->accept))
		r = CURLE_OUT_OF_MEMORY;
	return r ? r : curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers);
}

/* *result is what libcurl says of the transfer. */
static int perform(struct web *web, CURLcode *result, struct failure *f)
{
	struct curl_waitfd wake = {.fd = web->wake, .events = CURL_WAIT_POLLIN};
	CURLMcode m = curl_multi_add_handle(web->multi, web->easy);
	int r, running = 1, left;

	*result = CURLE_FAILED_INIT;
	while ((r = web_cancelled(web, f)) == 0 && m == CURLM_OK && running > 0)
		if ((m = curl_multi_perform(web->multi, &running)) == CURLM_OK && running > 0)
			m = curl_multi_poll(web->multi, &wake, 1, 1000, NULL);
	if (r == 0 && m == CURLM_OK) {
		CURLMsg *msg = curl_multi_info_read(web->multi, &left);

		if (msg != NULL && msg->msg == CURLMSG_DONE)
			*result = msg->data.result;
	}
	curl_multi_remove_handle(web->multi, web->easy);
	return r;
}

static void get_header(struct web *web, const char *name, char *value, size_t size)
{
	struct curl_header *h;

	value[0] = '\0';
	if (curl_easy_header(web->easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK &&
	    strlen(h->value) < size)
		memcpy(value, h->value, strlen(h->value) + 1);
}

/* A date is counted from the server's own clock where it says it: ours may be wrong. */
static void get_retry_after(struct web *web, struct web_answer *a)
{
	char value[WEB_VALUE_MAX], date[WEB_VALUE_MAX];
	time_t now;

	get_header(web, "Retry-After", value, sizeof(value));
	get_header(web, "Date", date, sizeof(date));
	if (dates_http(date, &now) < 0)
		now = time(NULL);
	a->has_retry_after =
	    dates_retry_after(value, now, WEB_RETRY_AFTER_MAX, &a->retry_after_s) == 0;
}

static void read_headers(struct web *web, struct web_answer *a)
{
	long status = 0;

	curl_easy_getinfo(web->easy, CURLINFO_RESPONSE_CODE, &status);
	a->status = (unsigned)status;
	get_header(web, "Replay-Nonce", a->nonce, sizeof(a->nonce));
	get_header(web, "Location", a->location, sizeof(a->location));
	get_header(web, "Content-Type", a->type, sizeof(a->type));
	a->type[strcspn(a->type, "; \t")] = '\0';
	for (char *c = a->type; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	get_retry_after(web, a);
}

static int say_failed(struct web *web, const char *url, CURLcode result, struct failure *f)
{
	char host[256];
	const char *words = web->words[0] != '\0' ? web->words : curl_easy_strerror(result);

	web_host(url, host, sizeof(host));
	if (web->refused != NULL)
		words = web->refused;
	return failure_set(f, FAILURE_NETWORK, -EIO, "cannot ask %s: %s", host, words);
}

int web_ask(struct web *web, const struct web_request *request, struct web_answer *answer,
            struct failure *f)
{
	struct curl_slist *headers = NULL;
	CURLcode result;
	int r;

	*answer = (struct web_answer){.body = calloc(1, 1)};
	web->answer = answer;
	web->headers = 0;
	web->refused = NULL;
	web->words[0] = '\0';
	if (answer->body == NULL || set_request(web, request, &headers) != CURLE_OK)
		r = failure_set(f, FAILURE_LOCAL, -ENOMEM, "no memory for a request");
	else if ((r = perform(web, &result, f)) == 0 && result != CURLE_OK)
		r = say_failed(web, request->url, result, f);
	if (r == 0)
		read_headers(web, answer);
	else
		web_answer_free(answer);
	curl_easy_setopt(web->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	web->answer = NULL;
	return r;
}

void web_answer_free(struct web_answer *answer)
{
	free(answer->body);
	*answer = (struct web_answer){0};
}

void web_host(const char *url, char *host, size_t size)
{
	const char *from = strstr(url, "://");

	from = from == NULL ? url : from + 3;
	snprintf(host, size, "%.*s", (int)strcspn(from, "/?#"), from);
}

bool web_url_ok(const char *url)
{
	size_t len = strnlen(url, WEB_URL_MAX), authority;

	if (len >= WEB_URL_MAX || strncasecmp(url, "https://", 8) != 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (url[i] <= ' ' || url[i] >= 0x7f)
			return false;
	authority = strcspn(url + 8, "/?#");
	return authority > 0 && memchr(url + 8, '@', authority) == NULL;
}
