/* One authorization: what the CA offers, what it found. */
#include "authorization.h"

#include "base64url.h"

#include <arpa/inet.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tokens become parts of URLs and of DNS records. */
#define TOKEN_MAX 256
#define TYPE_MAX 64

static void forget_challenges(struct authorization *a)
{
	for (size_t i = 0; i < a->n; i++) {
		/* Made in copy(). */
		free((char *)a->offered[i].type);
		free((char *)a->offered[i].token);
		free((char *)a->offered[i].key_authorization);
		free(a->tasks[i].url);
	}
	a->n = 0;
}

void authorization_free(struct authorization *a)
{
	forget_challenges(a);
	free(a->url);
	*a = (struct authorization){0};
}

static bool same_address(const char *a, const char *b)
{
	unsigned char x[16], y[16];

	if (inet_pton(AF_INET, a, x) == 1 && inet_pton(AF_INET, b, y) == 1)
		return memcmp(x, y, 4) == 0;
	return inet_pton(AF_INET6, a, x) == 1 && inet_pton(AF_INET6, b, y) == 1 &&
	       memcmp(x, y, 16) == 0;
}

/* The order's own identifier that an authorization is for; of a wildcard without "*.". */
static bool find_identifier(const struct acme_order *order, const json_t *json,
                            struct acme_identifier *out)
{
	const char *type = acme_text(json, "type"), *value = acme_text(json, "value");

	if (type == NULL || value == NULL)
		return false;
	for (size_t i = 0; i < order->n_identifiers; i++) {
		struct acme_identifier id = order->identifiers[i];

		if (id.kind == ACME_DNS && strncmp(id.value, "*.", 2) == 0)
			id.value += 2;
		if (id.kind == ACME_DNS
		        ? strcmp(type, "dns") == 0 && strcasecmp(id.value, value) == 0
		        : strcmp(type, "ip") == 0 && same_address(id.value, value)) {
			*out = id;
			return true;
		}
	}
	return false;
}

/* -ENOMEM: forget_challenges() frees what there is. */
static int copy(struct acme *acme, struct authorization *a, const char *type, const char *token,
                const char *url)
{
	struct acme_challenge *c = &a->offered[a->n];
	char *key_authorization = NULL;

	if (asprintf(&key_authorization, "%s.%s", token, acme->thumbprint) < 0)
		key_authorization = NULL;
	*c = (struct acme_challenge){.type = strdup(type),
	                             .identifier = a->identifier,
	                             .token = strdup(token),
	                             .key_authorization = key_authorization};
	a->tasks[a->n].url = strdup(url);
	a->n++;
	return c->type != NULL && c->token != NULL && key_authorization != NULL &&
	               a->tasks[a->n - 1].url != NULL
	           ? 0
	           : -ENOMEM;
}

/* Offers one challenge to the solver, unless it is of a kind without a token.  -ENOMEM. */
static int offer(struct acme *acme, struct authorization *a, const json_t *challenge)
{
	const char *type = acme_text(challenge, "type"), *token = acme_text(challenge, "token");
	const char *url = acme_text(challenge, "url"), *status = acme_text(challenge, "status");

	if (type == NULL || token == NULL || url == NULL || strlen(type) > TYPE_MAX ||
	    !base64url_is(token, TOKEN_MAX) || !web_url_ok(url) || a->n == AUTHORIZATION_CHALLENGES)
		return 0;
	a->tasks[a->n].told = status != NULL && strcmp(status, "pending") != 0;
	return copy(acme, a, type, token, url);
}

static int offer_all(struct acme *acme, struct authorization *a, const json_t *json,
                     struct failure *f)
{
	const json_t *list = json_object_get(json, "challenges");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (offer(acme, a, json_array_get(list, i)) < 0)
			return failure_set(f, FAILURE_LOCAL, -ENOMEM, "no memory for a challenge");
	if (a->n == 0)
		return acme_nonsense(f, a->url, "it offers no challenge for %s",
		                     a->identifier.value);
	return 0;
}

static int fetch(struct acme *acme, const struct authorization *a, struct acme_reply *reply,
                 struct failure *f)
{
	char what[300];
	struct acme_call call = {.url = a->url, .what = what};
	int r;

	snprintf(what, sizeof(what), "the authorization of %s",
	         a->identifier.value != NULL ? a->identifier.value : "an identifier");
	r = acme_post(acme, &call, reply, f);
	if (r == 0 && acme_text(reply->json, "status") == NULL)
		r = acme_nonsense(f, a->url, "%s has no status", what);
	return r;
}

/* The problem that the CA had with a challenge: with the chosen one, otherwise with any. */
static const json_t *find_problem(const struct authorization *a, const json_t *json,
                                  const char **type)
{
	const json_t *list = json_object_get(json, "challenges"), *found = NULL;

	*type = "its challenge";
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *challenge = json_array_get(list, i);
		const json_t *problem = json_object_get(challenge, "error");
		const char *name = acme_text(challenge, "type");
		bool chosen =
		    a->begun && name != NULL && strcmp(name, a->offered[a->chosen].type) == 0;

		if (problem == NULL || (found != NULL && !chosen))
			continue;
		found = problem;
		*type = name != NULL ? name : *type;
	}
	return found;
}

static int fail_invalid(const struct authorization *a, const json_t *json, struct failure *f)
{
	struct problem problem;
	const char *status = acme_text(json, "status"), *type;

	problem_read(&problem, find_problem(a, json, &type));
	return failure_set(f, FAILURE_CHALLENGE, -EACCES, "the CA did not accept %s of %s: %s",
	                   type, a->identifier.value,
	                   problem.text[0] != '\0' ? problem.text : status);
}

/* What the status says. */
static int judge(struct authorization *a, const json_t *json, struct failure *f)
{
	const char *status = acme_text(json, "status");

	a->pending = strcmp(status, "pending") == 0;
	a->valid = strcmp(status, "valid") == 0;
	if (a->pending || a->valid)
		return 0;
	return fail_invalid(a, json, f);
}

int authorization_read(struct acme *acme, struct authorization *a, const struct acme_order *order,
                       struct failure *f)
{
	struct acme_reply reply;
	int r = fetch(acme, a, &reply, f);

	if (r == 0 &&
	    !find_identifier(order, json_object_get(reply.json, "identifier"), &a->identifier))
		r = acme_nonsense(f, a->url, "an authorization is for nothing that was ordered");
	if (r == 0)
		r = judge(a, reply.json, f);
	if (r == 0 && a->pending)
		r = offer_all(acme, a, reply.json, f);
	acme_reply_free(&reply);
	return r;
}

int authorization_begin(struct authorization *a, const struct acme_solver *solver,
                        struct failure *f)
{
	int r = solver->begin(solver->arg, a->offered, a->n, &a->chosen, f);

	if (r < 0)
		return r;
	assert(a->chosen < a->n);
	a->begun = true;
	return 0;
}

int authorization_answer(struct acme *acme, const struct authorization *a, struct failure *f)
{
	const struct authorization_task *task = &a->tasks[a->chosen];
	struct acme_call call = {.url = task->url, .payload = "{}"};
	struct acme_reply reply;
	char what[300];
	int r;

	/* An order that the CA had already may have one that it looks at since then. */
	if (task->told)
		return 0;
	snprintf(what, sizeof(what), "%s of %s", a->offered[a->chosen].type, a->identifier.value);
	call.what = what;
	r = acme_post(acme, &call, &reply, f);
	acme_reply_free(&reply);
	return r;
}

int authorization_look(struct acme *acme, struct authorization *a, struct pace *pace,
                       struct failure *f)
{
	struct acme_reply reply;
	int r = fetch(acme, a, &reply, f);

	if (r == 0) {
		pace_hear(pace, &reply.web);
		r = judge(a, reply.json, f);
	} else {
		r = pace_forgive(pace, r, f);
	}
	acme_reply_free(&reply);
	return r;
}

int authorization_abandon(struct acme *acme, const struct authorization *a)
{
	struct acme_call call = {
	    .url = a->url, .payload = "{\"status\":\"deactivated\"}", .what = "a deactivation"};
	struct acme_reply reply;
	struct failure ignored;
	int r = acme_post(acme, &call, &reply, &ignored);

	acme_reply_free(&reply);
	return r < 0 && ignored.kind != FAILURE_REFUSED ? r : 0;
}

void authorization_end(struct authorization *a, const struct acme_solver *solver)
{
	if (!a->begun)
		return;
	a->begun = false;
	solver->end(solver->arg, &a->offered[a->chosen], a->valid);
}
