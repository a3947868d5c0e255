/* Chooses among the challenges that a CA offers: in the order of the settings, the first that
 * stands and that we see ourselves.  What is not chosen is taken down again at once. */
#include "challenges_private.h"

#include "identifiers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const challenge_names[CHALLENGE_TYPES] = {
    [CHALLENGE_HTTP] = "http-01",
    [CHALLENGE_TLS_ALPN] = "tls-alpn-01",
    [CHALLENGE_DNS] = "dns-01",
};

struct challenges {
	struct nbs_host *host;
	struct challenges_tls tls;
	struct challenges_settings settings;
	struct cancel cancel;
	struct http01 *http;
	int64_t settled; /* when the last record that was set can be seen */
};

/* How one attempt for one authorization goes. */
struct attempt {
	struct challenges *c;
	const struct acme_challenge *challenge; /* what is tried now */
	struct failure *f;
	char said[sizeof(((struct failure *)0)->text)]; /* the sentences of all that was tried */
	enum failure_kind kind;
};

int challenges_open(struct challenges **out, struct nbs_host *host,
                    const struct challenges_tls *tls)
{
	struct challenges *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return -ENOMEM;
	c->host = host;
	c->tls = *tls;
	if ((r = cancel_open(&c->cancel)) < 0)
		goto err0;
	if ((r = http01_open(&c->http, host)) < 0)
		goto err1;
	*out = c;
	return 0;
err1:
	cancel_close(&c->cancel);
err0:
	free(c);
	return r;
}

void challenges_close(struct challenges *c)
{
	if (c == NULL)
		return;
	http01_close(c->http);
	cancel_close(&c->cancel);
	free(c);
}

void challenges_configure(struct challenges *c, const struct challenges_settings *settings)
{
	char why[320];

	c->settings = *settings;
	for (size_t i = 0; i < settings->n_order; i++) {
		if (settings->order[i] == CHALLENGE_DNS &&
		    dns01_check(settings->hook, why, sizeof(why)) < 0)
			c->host->log(c->host, NBS_ERROR, "dns-01: hook %s", why);
	}
}

void challenges_cancel(struct challenges *c)
{
	cancel_set(&c->cancel);
}

static struct dns01 dns_of(const struct challenges *c)
{
	return (struct dns01){.host = c->host, .settings = &c->settings, .cancel = &c->cancel};
}

/* -1: none that we know. */
static int type_of(const struct acme_challenge *challenge)
{
	for (int type = 0; type < CHALLENGE_TYPES; type++) {
		if (strcmp(challenge->type, challenge_names[type]) == 0)
			return type;
	}
	return -1;
}

/* Wildcards are proven by DNS alone (RFC 8555, 7.1.3), addresses by anything else (RFC 8738, 7). */
static bool is_possible(enum challenge_type type, const struct acme_identifier *id)
{
	if (id->kind == ACME_IP)
		return type != CHALLENGE_DNS;
	return type == CHALLENGE_DNS || strncmp(id->value, "*.", 2) != 0;
}

/* --- one challenge --------------------------------------------------------------------------- */
static int begin_http(struct challenges *c, const struct acme_challenge *challenge,
                      struct failure *f)
{
	int r = http01_add(c->http, challenge->token, challenge->key_authorization);

	if (r < 0)
		return failure_set(f, r == -EINVAL ? FAILURE_SERVER : FAILURE_LOCAL, r,
		                   "http-01: the token for %s cannot be served: %s",
		                   challenge->identifier.value,
		                   r == -EINVAL ? "it is none" : strerror(-r));
	return 0;
}

static int begin_dns(struct challenges *c, const struct acme_challenge *challenge,
                     struct failure *f)
{
	const struct dns01 dns = dns_of(c);
	int r = dns01_begin(&dns, challenge, f);

	if (r == 0)
		c->settled = cancel_now() + (int64_t)c->settings.dns_delay_s * 1000;
	return r;
}

static int begin_one(struct challenges *c, enum challenge_type type,
                     const struct acme_challenge *challenge, struct failure *f)
{
	if (type == CHALLENGE_HTTP)
		return begin_http(c, challenge, f);
	if (type == CHALLENGE_TLS_ALPN)
		return tlsalpn01_begin(&c->tls, challenge, f);
	return begin_dns(c, challenge, f);
}

static void end_one(struct challenges *c, enum challenge_type type,
                    const struct acme_challenge *challenge, bool valid)
{
	const struct dns01 dns = dns_of(c);

	if (type == CHALLENGE_HTTP)
		http01_remove(c->http, challenge->token);
	else if (type == CHALLENGE_TLS_ALPN)
		tlsalpn01_end(&c->tls, challenge);
	else
		dns01_end(&dns, challenge, valid);
}

static int stopped(struct failure *f)
{
	return failure_set(f, FAILURE_LOCAL, -ECANCELED, "the daemon stops");
}

static int look_at(struct challenges *c, enum challenge_type type,
                   const struct acme_challenge *challenge, struct failure *f)
{
	struct selfcheck s = {
	    .settings = &c->settings, .cancel = &c->cancel, .challenge = challenge};
	int r;

	if (!c->settings.self_check || type == CHALLENGE_DNS)
		return 0;
	r = type == CHALLENGE_HTTP ? selfcheck_http(&s) : selfcheck_tls(&s);
	if (r == -EHOSTUNREACH)
		return failure_set(f, FAILURE_UNREACHABLE, r, "%s", s.why);
	if (r == -ECANCELED)
		return stopped(f);
	if (r < 0)
		return failure_set(f, FAILURE_LOCAL, r, "%s: the self-check cannot be made: %s",
		                   challenge->type, strerror(-r));
	return 0;
}

/* --- among several --------------------------------------------------------------------------- */
/* One more that does not stand: its sentence is kept; what could be mended by another listener or
 * router outranks the rest. */
static void note(struct attempt *a)
{
	size_t at = strlen(a->said);

	snprintf(a->said + at, sizeof(a->said) - at, "%s%s", at > 0 ? "; " : "", a->f->text);
	if (a->kind != FAILURE_UNREACHABLE)
		a->kind = a->f->kind;
}

/* 0: it stands and is seen. */
static int try(struct attempt *a, enum challenge_type type)
{
	struct challenges *c = a->c;
	int r;

	if (cancel_is_set(&c->cancel))
		return stopped(a->f);
	if ((r = begin_one(c, type, a->challenge, a->f)) == 0 &&
	    (r = look_at(c, type, a->challenge, a->f)) < 0)
		end_one(c, type, a->challenge, false);
	if (r < 0 && r != -ECANCELED)
		note(a);
	return r;
}

static const struct acme_challenge *find(const struct acme_challenge *offered, size_t n,
                                         enum challenge_type type)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(offered[i].type, challenge_names[type]) == 0 &&
		    identifiers_valid(&offered[i].identifier) &&
		    is_possible(type, &offered[i].identifier))
			return &offered[i];
	}
	return NULL;
}

/* None of what is offered is among the settings. */
static int tell_none(const struct attempt *a, const struct acme_challenge *offered, size_t n)
{
	char types[128] = "";

	for (size_t i = 0; i < n; i++) {
		size_t at = strlen(types);

		snprintf(types + at, sizeof(types) - at, "%s%s", i > 0 ? ", " : "",
		         offered[i].type);
	}
	return failure_set(a->f, FAILURE_CHALLENGE, -ENOTSUP,
	                   "%s: the CA offers %s, of which the setting challenges allows none that "
	                   "fits",
	                   n > 0 ? offered[0].identifier.value : "an authorization",
	                   n > 0 ? types : "no challenge");
}

static int tell_all(struct attempt *a, const struct acme_challenge *offered)
{
	if (a->kind != FAILURE_UNREACHABLE)
		return failure_set(a->f, a->kind, -EIO, "%s", a->said);
	return failure_set(
	    a->f, a->kind, -EHOSTUNREACH,
	    "%s does not lead to this server, and the CA was not asked (self-check = no "
	    "if only this machine cannot reach it): %s",
	    offered[0].identifier.value, a->said);
}

static int begin(void *arg, const struct acme_challenge *offered, size_t n, size_t *chosen,
                 struct failure *f)
{
	struct challenges *c = arg;
	struct attempt a = {.c = c, .f = f, .kind = FAILURE_NONE};
	int r;

	for (size_t i = 0; i < c->settings.n_order; i++) {
		enum challenge_type type = c->settings.order[i];

		if ((a.challenge = find(offered, n, type)) == NULL)
			continue;
		if ((r = try(&a, type)) == -ECANCELED)
			return r;
		if (r < 0)
			continue;
		/* What did not work is worth a line although something else did. */
		if (a.said[0] != '\0')
			c->host->log(c->host, NBS_WARN, "domain=%s %s",
			             a.challenge->identifier.value, a.said);
		c->host->log(c->host, NBS_DEBUG, "domain=%s challenge=%s stands",
		             a.challenge->identifier.value, a.challenge->type);
		*chosen = (size_t)(a.challenge - offered);
		return 0;
	}
	return a.kind == FAILURE_NONE ? tell_none(&a, offered, n) : tell_all(&a, offered);
}

/* Once for all records, however many there are. */
static int settle(void *arg, struct failure *f)
{
	const struct challenges *c = arg;

	return cancel_wait(&c->cancel, c->settled) < 0 ? stopped(f) : 0;
}

static void end(void *arg, const struct acme_challenge *challenge, bool valid)
{
	int type = type_of(challenge);

	if (type >= 0)
		end_one(arg, (enum challenge_type)type, challenge, valid);
}

struct acme_solver challenges_solver(struct challenges *c)
{
	return (struct acme_solver){.begin = begin, .settle = settle, .end = end, .arg = c};
}
