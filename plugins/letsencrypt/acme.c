/* One client of one CA: its directory, its nonces, and signed requests with their answers. */
#include "acme_private.h"

#include "base64url.h"

#include <curl/curl.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* CAs refuse nonces that they forgot, and Pebble refuses good ones at random. */
#define NONCE_TRIES 20

/* A directory may change, but not often. */
#define DIRECTORY_LIFETIME_S 3600

int acme_prepare(void)
{
	/* Since 7.84, where it has the flag, it locks: others may call it too.  Never undone: code
	 * stays mapped until the process ends, and a resolver that hangs (CURLOPT_QUICK_EXIT) may
	 * outlive every handle. */
	if (!(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_THREADSAFE))
		return -ENOSYS;
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

static int check_settings(const struct acme_settings *set, struct failure *f)
{
	if (!web_url_ok(set->directory_url))
		return failure_set(
		    f, FAILURE_LOCAL, -EINVAL,
		    "directory-url = %s is no https:// URL of less than %d characters",
		    set->directory_url, WEB_URL_MAX);
	if (jws_alg(set->account_key) == NULL)
		return failure_set(f, FAILURE_LOCAL, -EINVAL,
		                   "the account's key is neither P-256, P-384 nor RSA");
	return 0;
}

int acme_open(struct acme **out, const struct acme_settings *settings, struct failure *f)
{
	struct acme *acme;
	int r = check_settings(settings, f);

	if (r < 0)
		return r;
	r = -ENOMEM;
	if ((acme = calloc(1, sizeof(*acme))) == NULL)
		goto err0;
	acme->set = *settings;
	if (settings->account_url != NULL && web_url_ok(settings->account_url) &&
	    ((acme->account_url = strdup(settings->account_url)) == NULL ||
	     (settings->account_email != NULL &&
	      (acme->account_email = strdup(settings->account_email)) == NULL)))
		goto err1;
	if ((r = jws_thumbprint(settings->account_key, acme->thumbprint)) < 0)
		goto err1;
	if ((r = web_open(&acme->web, settings->ca_file, settings->timeout_s, f)) < 0) {
		acme_close(acme);
		return r;
	}
	*out = acme;
	return 0;
err1:
	acme_close(acme);
err0:
	return failure_set(f, FAILURE_LOCAL, r, "cannot make a client for ACME: %s", strerror(-r));
}

void acme_close(struct acme *acme)
{
	if (acme == NULL)
		return;
	if (acme->has_directory)
		acme_directory_free(&acme->directory);
	web_close(acme->web);
	free(acme->account_url);
	free(acme->account_email);
	free(acme);
}

void acme_cancel(struct acme *acme)
{
	web_cancel(acme->web);
}

const char *acme_text(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

int acme_nonsense(struct failure *f, const char *url, const char *fmt, ...)
{
	char host[256], text[sizeof(f->text)];
	va_list args;

	web_host(url, host, sizeof(host));
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return failure_set(f, FAILURE_NETWORK, -EPROTO, "%s does not answer as an ACME server: %s",
	                   host, text);
}

/* --- answers --------------------------------------------------------------------------------- */

void acme_reply_free(struct acme_reply *reply)
{
	json_decref(reply->json);
	web_answer_free(&reply->web);
	*reply = (struct acme_reply){0};
}

static void keep_nonce(struct acme *acme, const char *nonce)
{
	if (base64url_is(nonce, WEB_VALUE_MAX - 1))
		memcpy(acme->nonce, nonce, strlen(nonce) + 1);
}

/* An answer has come: its JSON, its nonce, and whether it is a success. */
static int judge(struct acme *acme, struct acme_reply *reply, const char *url, const char *what,
                 struct failure *f)
{
	struct problem problem;
	char host[256];
	int r;

	keep_nonce(acme, reply->web.nonce);
	reply->json = json_loadb(reply->web.body, reply->web.len, 0, NULL);
	if (!json_is_object(reply->json)) {
		json_decref(reply->json);
		reply->json = NULL;
	}
	if (reply->web.status >= 200 && reply->web.status < 300)
		return 0;
	problem_read(&problem, reply->json);
	memcpy(reply->problem, problem.type, sizeof(reply->problem));
	web_host(url, host, sizeof(host));
	r = problem_fail(f, &problem, reply->web.status, what, host);
	if (reply->web.has_retry_after)
		f->retry_after_s = reply->web.retry_after_s;
	return r;
}

int acme_get(struct acme *acme, const char *url, const char *what, struct acme_reply *reply,
             struct failure *f)
{
	struct web_request request = {WEB_GET, url, NULL, "application/json"};
	int r;

	*reply = (struct acme_reply){0};
	if ((r = web_ask(acme->web, &request, &reply->web, f)) < 0)
		return r;
	r = judge(acme, reply, url, what, f);
	if (r == 0 && reply->json == NULL)
		r = acme_nonsense(f, url, "%s is no JSON object", what);
	return r;
}

/* --- the directory --------------------------------------------------------------------------- */

/* A URL of the directory; *url is NULL if there is none. */
static int read_url(char **url, const json_t *json, const char *key, const char *from,
                    struct failure *f)
{
	const char *text = acme_text(json, key);

	*url = NULL;
	if (text == NULL)
		return 0;
	if (!web_url_ok(text))
		return acme_nonsense(f, from, "%s of its directory is no https:// URL", key);
	if ((*url = strdup(text)) == NULL)
		return failure_set(f, FAILURE_LOCAL, -ENOMEM, "no memory for a directory");
	return 0;
}

int acme_directory_read(struct acme_directory *d, const json_t *json, const char *url,
                        struct failure *f)
{
	const json_t *meta = json_object_get(json, "meta");
	json_t *profiles = json_object_get(meta, "profiles");
	int r;

	*d = (struct acme_directory){
	    .wants_external_account =
		json_is_true(json_object_get(meta, "externalAccountRequired")),
	    .profiles = json_is_object(profiles) ? json_incref(profiles) : NULL};
	if ((r = read_url(&d->new_nonce, json, "newNonce", url, f)) == 0 &&
	    (r = read_url(&d->new_account, json, "newAccount", url, f)) == 0 &&
	    (r = read_url(&d->new_order, json, "newOrder", url, f)) == 0)
		r = read_url(&d->renewal_info, json, "renewalInfo", url, f);
	if (r == 0 && (d->new_nonce == NULL || d->new_account == NULL || d->new_order == NULL))
		r = acme_nonsense(f, url, "its directory has no newNonce, newAccount or newOrder");
	if (r < 0)
		acme_directory_free(d);
	return r;
}

void acme_directory_free(struct acme_directory *d)
{
	free(d->new_nonce);
	free(d->new_account);
	free(d->new_order);
	free(d->renewal_info);
	json_decref(d->profiles);
	*d = (struct acme_directory){0};
}

int acme_directory(struct acme *acme, struct failure *f)
{
	struct acme_directory fresh;
	struct acme_reply reply;
	struct timespec now;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (acme->has_directory && now.tv_sec - acme->directory.read_s < DIRECTORY_LIFETIME_S)
		return 0;
	r = acme_get(acme, acme->set.directory_url, "the directory", &reply, f);
	if (r == 0)
		r = acme_directory_read(&fresh, reply.json, acme->set.directory_url, f);
	acme_reply_free(&reply);
	if (r < 0)
		return r;
	if (acme->has_directory)
		acme_directory_free(&acme->directory);
	acme->directory = fresh;
	acme->directory.read_s = now.tv_sec;
	acme->has_directory = true;
	return 0;
}

/* --- signed requests ------------------------------------------------------------------------- */

/* Moves a nonce into `nonce`; asks for one if there is none. */
static int take_nonce(struct acme *acme, char nonce[static WEB_VALUE_MAX], struct failure *f)
{
	struct web_request request = {WEB_HEAD, acme->directory.new_nonce, NULL, NULL};
	struct acme_reply reply = {0};
	int r = 0;

	if (acme->nonce[0] == '\0') {
		if ((r = web_ask(acme->web, &request, &reply.web, f)) == 0)
			r = judge(acme, &reply, request.url, "a nonce", f);
		acme_reply_free(&reply);
	}
	if (r == 0 && acme->nonce[0] == '\0')
		r = acme_nonsense(f, request.url, "no nonce in Replay-Nonce");
	memcpy(nonce, acme->nonce, WEB_VALUE_MAX);
	acme->nonce[0] = '\0';
	return r;
}

/* RFC 8555, 6.2.  NULL: no memory. */
static char *make_header(struct acme *acme, const struct acme_call *call, const char *nonce)
{
	EVP_PKEY *key = acme->set.account_key;
	json_t *header =
	    json_pack("{s:s, s:s, s:s}", "alg", jws_alg(key), "nonce", nonce, "url", call->url);
	char *jwk = call->by_key ? jws_jwk(key) : NULL, *text = NULL;
	int r;

	if (call->by_key)
		r = json_object_set_new(header, "jwk", jwk ? json_loads(jwk, 0, NULL) : NULL);
	else
		r = json_object_set_new(header, "kid", json_string(acme->account_url));
	if (r == 0)
		text = json_dumps(header, JSON_COMPACT);
	free(jwk);
	json_decref(header);
	return text;
}

static int post_once(struct acme *acme, const struct acme_call *call, struct acme_reply *reply,
                     struct failure *f)
{
	struct web_request request = {WEB_POST, call->url, NULL,
	                              call->accept ? call->accept : "application/json"};
	char nonce[WEB_VALUE_MAX], *header, *body = NULL;
	int r = take_nonce(acme, nonce, f);

	if (r < 0)
		return r;
	header = make_header(acme, call, nonce);
	r = header == NULL ? -ENOMEM
	                   : jws_sign(acme->set.account_key, header,
	                              call->payload ? call->payload : "", &body);
	free(header);
	if (r < 0)
		return failure_set(f, FAILURE_LOCAL, r, "cannot sign a request: %s", strerror(-r));
	request.body = body;
	if ((r = web_ask(acme->web, &request, &reply->web, f)) == 0)
		r = judge(acme, reply, call->url, call->what, f);
	free(body);
	return r;
}

int acme_post(struct acme *acme, const struct acme_call *call, struct acme_reply *reply,
              struct failure *f)
{
	int r;

	*reply = (struct acme_reply){0};
	for (int i = 0;; i++) {
		r = post_once(acme, call, reply, f);
		if (r == 0 || strcmp(reply->problem, "badNonce") != 0 || i == NONCE_TRIES)
			return r;
		acme_reply_free(reply);
	}
}
