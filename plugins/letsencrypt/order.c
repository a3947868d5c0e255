/* An order: what is asked for, and what the CA says of it. */
#include "order.h"

#include <arpa/inet.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An order of more is not one of ours. */
#define AUTHORIZATIONS_MAX 256

static int no_memory(struct failure *f)
{
	return failure_set(f, FAILURE_LOCAL, -ENOMEM, "no memory for an order");
}

/* --- the order object ------------------------------------------------------------------------ */

/* Replaces *url by one of the order's, if it names one. */
static int take_url(struct order *o, char **url, const json_t *json, const char *key,
                    struct failure *f)
{
	const char *text = acme_text(json, key);
	char *copy;

	if (text == NULL)
		return 0;
	if (!web_url_ok(text))
		return acme_nonsense(f, o->url, "%s of the order is no https:// URL", key);
	if ((copy = strdup(text)) == NULL)
		return no_memory(f);
	free(*url);
	*url = copy;
	return 0;
}

static int fail_invalid(const struct order *o, const json_t *json, struct failure *f)
{
	const json_t *error = json_object_get(json, "error");
	struct problem problem;
	char host[256];

	problem_read(&problem, error);
	if (problem.text[0] == '\0')
		return failure_set(f, FAILURE_REFUSED, -EACCES,
		                   "the CA has made the order invalid");
	web_host(o->url, host, sizeof(host));
	return problem_fail(f, &problem, 0, "the order", host);
}

int order_read(struct order *o, const json_t *json, struct failure *f)
{
	static const char *const names[] = {[ORDER_PENDING] = "pending",
	                                    [ORDER_READY] = "ready",
	                                    [ORDER_PROCESSING] = "processing",
	                                    [ORDER_VALID] = "valid"};
	const char *status = acme_text(json, "status");
	size_t i;

	if (status == NULL)
		return acme_nonsense(f, o->url, "an order has no status");
	if (strcmp(status, "invalid") == 0)
		return fail_invalid(o, json, f);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(status, names[i]) == 0)
			break;
	if (i == sizeof(names) / sizeof(*names))
		return acme_nonsense(f, o->url, "the status of an order is \"%s\"", status);
	o->state = (enum order_state)i;
	return take_url(o, &o->certificate, json, "certificate", f);
}

int order_look(struct order *o, struct pace *pace, struct failure *f)
{
	struct acme_call call = {.url = o->url, .what = "the order"};
	struct acme_reply reply;
	int r = acme_post(o->acme, &call, &reply, f);

	if (r == 0) {
		pace_hear(pace, &reply.web);
		r = order_read(o, reply.json, f);
	} else {
		r = pace_forgive(pace, r, f);
	}
	acme_reply_free(&reply);
	return r;
}

int order_await(struct order *o, enum order_state state, struct pace *pace, struct failure *f)
{
	int r = 0;

	while (o->state < state) {
		if ((r = pace_wait(pace, o->acme->web, f)) == -ETIMEDOUT)
			return failure_set(f, FAILURE_SERVER, r,
			                   "the CA has not finished the order within %u s",
			                   o->wish->timeout_s);
		if (r < 0 || (r = order_look(o, pace, f)) < 0)
			return r;
	}
	return 0;
}

/* --- a new order ----------------------------------------------------------------------------- */

/* Addresses are written as RFC 8738, 3 wants them. */
static json_t *identifier_json(const struct acme_identifier *id)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char address[16];
	int family = strchr(id->value, ':') != NULL ? AF_INET6 : AF_INET;

	if (id->kind == ACME_DNS)
		return json_pack("{s:s, s:s}", "type", "dns", "value", id->value);
	if (inet_pton(family, id->value, address) != 1 ||
	    inet_ntop(family, address, text, sizeof(text)) == NULL)
		return NULL;
	return json_pack("{s:s, s:s}", "type", "ip", "value", text);
}

static char *make_payload(const struct order *o, const char *replaces)
{
	const struct acme_order *wish = o->wish;
	const char *profile = o->acme->set.profile;
	json_t *list = json_array();
	json_t *json;
	char *text = NULL;
	int r = 0;

	for (size_t i = 0; i < wish->n_identifiers; i++)
		r |= json_array_append_new(list, identifier_json(&wish->identifiers[i]));
	json = json_pack("{s:o}", "identifiers", list);
	if (profile != NULL)
		r |= json_object_set_new(json, "profile", json_string(profile));
	if (replaces != NULL)
		r |= json_object_set_new(json, "replaces", json_string(replaces));
	if (r == 0)
		text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return text;
}

/* The URLs of its authorizations. */
static int take_authorizations(struct order *o, const json_t *list, struct failure *f)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > AUTHORIZATIONS_MAX)
		return acme_nonsense(f, o->url, "an order has no list of authorizations");
	if ((o->authorizations = calloc(n + 1, sizeof(*o->authorizations))) == NULL)
		return no_memory(f);
	for (; o->n < n; o->n++) {
		const char *url = json_string_value(json_array_get(list, o->n));

		if (url == NULL || !web_url_ok(url))
			return acme_nonsense(f, o->url, "an authorization has no https:// URL");
		if ((o->authorizations[o->n].url = strdup(url)) == NULL)
			return no_memory(f);
	}
	return 0;
}

static int take_order(struct order *o, const struct acme_reply *reply, struct failure *f)
{
	int r;

	if (!web_url_ok(reply->web.location))
		return acme_nonsense(f, o->acme->directory.new_order,
		                     "no https:// URL in the Location of an order");
	if ((o->url = strdup(reply->web.location)) == NULL)
		return no_memory(f);
	if ((r = order_read(o, reply->json, f)) < 0 ||
	    (r = take_url(o, &o->finalize, reply->json, "finalize", f)) < 0)
		return r;
	if (o->finalize == NULL)
		return acme_nonsense(f, o->url, "an order has no URL to finalize it");
	return take_authorizations(o, json_object_get(reply->json, "authorizations"), f);
}

/* *problem is the word of a refusal, or "". */
static int place(struct order *o, const char *replaces, char problem[static PROBLEM_TYPE_MAX],
                 struct failure *f)
{
	struct acme_call call = {.url = o->acme->directory.new_order, .what = "the order"};
	struct acme_reply reply;
	char *payload = make_payload(o, replaces);
	int r;

	problem[0] = '\0';
	if (payload == NULL)
		return failure_set(f, FAILURE_LOCAL, -EINVAL,
		                   "these identifiers cannot be ordered");
	call.payload = payload;
	if ((r = acme_post(o->acme, &call, &reply, f)) == 0)
		r = take_order(o, &reply, f);
	memcpy(problem, reply.problem, PROBLEM_TYPE_MAX);
	acme_reply_free(&reply);
	free(payload);
	return r;
}

/* Whether a CA that refuses an order may take it when it replaces nothing (RFC 9773, 5). */
static bool dislikes_replacing(const char *problem)
{
	static const char *const words[] = {"alreadyReplaced", "malformed", "unauthorized",
	                                    "conflict"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(problem, words[i]) == 0)
			return true;
	return false;
}

/* A profile that the directory does not name must not be asked for. */
static int check_profile(const struct acme *acme, struct failure *f)
{
	json_t *profiles = acme->directory.profiles;
	char known[200] = "";

	if (acme->set.profile == NULL || json_object_get(profiles, acme->set.profile) != NULL)
		return 0;
	for (void *it = json_object_iter(profiles); it != NULL;
	     it = json_object_iter_next(profiles, it)) {
		size_t len = strlen(known);

		snprintf(known + len, sizeof(known) - len, "%s%s", len > 0 ? ", " : "",
		         json_object_iter_key(it));
	}
	return failure_set(f, FAILURE_REFUSED, -EACCES, "the CA has no profile \"%s\"; it has: %s",
	                   acme->set.profile, known[0] != '\0' ? known : "none");
}

/* With an account that is made anew if the CA has forgotten it, and as one that replaces nothing if
 * the CA wants that. */
static int place_anyhow(struct order *o, struct failure *f)
{
	struct acme *acme = o->acme;
	const char *replaces = acme->directory.renewal_info != NULL ? o->wish->replaces : NULL;
	char problem[PROBLEM_TYPE_MAX];
	int r = place(o, replaces, problem, f);

	if (r < 0 && strcmp(problem, "accountDoesNotExist") == 0) {
		free(acme->account_url);
		acme->account_url = NULL;
		if ((r = acme_account(acme, f)) == 0)
			r = place(o, replaces, problem, f);
	}
	if (r < 0 && replaces != NULL && dislikes_replacing(problem))
		r = place(o, NULL, problem, f);
	return r;
}

int order_place(struct order *o, struct failure *f)
{
	int r;

	if ((r = acme_account(o->acme, f)) < 0 || (r = acme_directory(o->acme, f)) < 0 ||
	    (r = check_profile(o->acme, f)) < 0)
		return r;
	return place_anyhow(o, f);
}

void order_free(struct order *o)
{
	for (size_t i = 0; i < o->n; i++)
		authorization_free(&o->authorizations[i]);
	free(o->authorizations);
	free(o->url);
	free(o->finalize);
	free(o->certificate);
	*o = (struct order){0};
}
