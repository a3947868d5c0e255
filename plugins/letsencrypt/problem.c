/* What a CA says that it does not like, in words, and which kind of failure that is. */
#include "problem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SUBPROBLEMS_SHOWN 8

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text == NULL ? "" : text;
}

/* "urn:ietf:params:acme:error:badNonce" is badNonce; "about:blank" says nothing. */
static const char *last_word(const char *type)
{
	const char *colon = strrchr(type, ':');

	if (strcmp(type, "about:blank") == 0)
		return "";
	return colon == NULL ? type : colon + 1;
}

static void append(struct problem *p, const char *separator, const char *text)
{
	size_t len = strlen(p->text);

	if (text[0] != '\0')
		snprintf(p->text + len, sizeof(p->text) - len, "%s%s", len > 0 ? separator : "",
		         text);
}

static void read_subproblems(struct problem *p, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *sub = json_array_get(list, i);
		const json_t *identifier = json_object_get(sub, "identifier");

		if (i == SUBPROBLEMS_SHOWN) {
			append(p, "; ", "...");
			return;
		}
		append(p, "; ", text_of(identifier, "value"));
		append(p, identifier == NULL ? "; " : ": ", last_word(text_of(sub, "type")));
		append(p, ": ", text_of(sub, "detail"));
	}
}

void problem_read(struct problem *p, const json_t *json)
{
	json_int_t status = json_integer_value(json_object_get(json, "status"));

	*p = (struct problem){.status = status > 0 && status < 1000 ? (unsigned)status : 0};
	snprintf(p->type, sizeof(p->type), "%s", last_word(text_of(json, "type")));
	append(p, "", p->type);
	append(p, ": ", text_of(json, "title"));
	append(p, ": ", text_of(json, "detail"));
	/* Where its people find out what to do (RFC 8555, 7.3.3). */
	if (strcmp(p->type, "userActionRequired") == 0)
		append(p, ": see ", text_of(json, "instance"));
	read_subproblems(p, json_object_get(json, "subproblems"));
}

static enum failure_kind kind_of(const struct problem *p, unsigned status)
{
	if (strcmp(p->type, "rateLimited") == 0 || status == 429)
		return FAILURE_RATE_LIMIT;
	/* A CA that takes no nonce of its own is broken. */
	if (status >= 500 || strcmp(p->type, "serverInternal") == 0 ||
	    strcmp(p->type, "badNonce") == 0)
		return FAILURE_SERVER;
	return p->text[0] != '\0' ? FAILURE_REFUSED : FAILURE_NETWORK;
}

static int fail_refused(struct failure *f, const struct problem *p, const char *what)
{
	if (strcmp(p->type, "userActionRequired") == 0)
		return failure_set(f, FAILURE_REFUSED, -EACCES,
		                   "the CA wants the account's holder to act first: %s", p->text);
	if (strcmp(p->type, "externalAccountRequired") == 0)
		return failure_set(f, FAILURE_REFUSED, -EACCES,
		                   "the CA wants an external account, eab-kid and eab-key: %s",
		                   p->text);
	return failure_set(f, FAILURE_REFUSED, -EACCES, "the CA refuses %s: %s", what, p->text);
}

int problem_fail(struct failure *f, const struct problem *p, unsigned status, const char *what,
                 const char *host)
{
	char number[32];
	const char *text = p->text;

	status = status != 0 ? status : p->status;
	snprintf(number, sizeof(number), "status %u", status);
	if (text[0] == '\0')
		text = number;
	switch (kind_of(p, status)) {
	case FAILURE_RATE_LIMIT:
		return failure_set(f, FAILURE_RATE_LIMIT, -EAGAIN,
		                   "the CA limits the rate of %s: %s", what, text);
	case FAILURE_SERVER:
		return failure_set(f, FAILURE_SERVER, -EIO, "the CA (%s) fails at %s: %s", host,
		                   what, text);
	case FAILURE_REFUSED:
		return fail_refused(f, p, what);
	default:
		return failure_set(f, FAILURE_NETWORK, -EPROTO,
		                   "%s does not answer as an ACME server: %s for %s%s", host, text,
		                   what, status >= 300 && status < 400 ? ", not followed" : "");
	}
}
