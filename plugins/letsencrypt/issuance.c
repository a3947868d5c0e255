/* From an order to its certificate (RFC 8555, 7.4): authorizations, finalization, download. */
#include "order.h"

#include "base64url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An order under way. */
struct run {
	struct order order;
	const struct acme_solver *solver;
	struct pace pace;
};

static int no_memory(struct failure *f)
{
	return failure_set(f, FAILURE_LOCAL, -ENOMEM, "no memory for an order");
}

/* --- its authorizations ---------------------------------------------------------------------- */

static int read_all(struct order *o, struct failure *f)
{
	int r = 0;

	for (size_t i = 0; i < o->n && r == 0; i++)
		r = authorization_read(o->acme, &o->authorizations[i], o->wish, f);
	return r;
}

static int begin_all(struct order *o, const struct acme_solver *solver, struct failure *f)
{
	bool begun = false;
	int r = 0;

	for (size_t i = 0; i < o->n && r == 0; i++) {
		struct authorization *a = &o->authorizations[i];

		if (a->pending && (r = web_cancelled(o->acme->web, f)) == 0)
			r = authorization_begin(a, solver, f);
		begun |= a->begun;
	}
	return r == 0 && begun && solver->settle != NULL ? solver->settle(solver->arg, f) : r;
}

static int answer_all(struct order *o, struct failure *f)
{
	int r = 0;

	for (size_t i = 0; i < o->n && r == 0; i++)
		if (o->authorizations[i].begun)
			r = authorization_answer(o->acme, &o->authorizations[i], f);
	return r;
}

static const struct authorization *first_pending(const struct order *o)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->authorizations[i].pending)
			return &o->authorizations[i];
	return NULL;
}

static int await_all(struct order *o, struct pace *pace, struct failure *f)
{
	const struct authorization *waiting;

	while ((waiting = first_pending(o)) != NULL) {
		int r = pace_wait(pace, o->acme->web, f);

		if (r == -ETIMEDOUT)
			return failure_set(f, FAILURE_CHALLENGE, r,
			                   "the CA has not looked at %s of %s within %u s",
			                   waiting->offered[waiting->chosen].type,
			                   waiting->identifier.value, o->wish->timeout_s);
		for (size_t i = 0; i < o->n && r == 0; i++)
			if (o->authorizations[i].pending)
				r = authorization_look(o->acme, &o->authorizations[i], pace, f);
		if (r < 0)
			return r;
	}
	return 0;
}

/* One that failed has ended the order: what is still pending would only count against the
 * account's limits.  After other failures the order lives, and a CA gives it again to those who
 * order the same, so it is left as it is. */
static void abandon_all(struct order *o)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->authorizations[i].pending &&
		    authorization_abandon(o->acme, &o->authorizations[i]) < 0)
			return;
}

static int authorize(struct run *run, struct failure *f)
{
	struct order *o = &run->order;
	int r;

	if ((r = read_all(o, f)) == 0 && (r = begin_all(o, run->solver, f)) == 0) {
		/* The CA's time begins here: what stands took as long as it took. */
		pace_begin(&run->pace, o->wish->timeout_s);
		if ((r = answer_all(o, f)) == 0)
			r = await_all(o, &run->pace, f);
	}
	if (r == -EACCES && f->kind == FAILURE_CHALLENGE)
		abandon_all(o);
	for (size_t i = 0; i < o->n; i++)
		authorization_end(&o->authorizations[i], run->solver);
	return r;
}

/* --- the certificate ------------------------------------------------------------------------- */

static int finalize(struct run *run, struct failure *f)
{
	struct order *o = &run->order;
	struct acme_call call = {.url = o->finalize, .what = "the certificate's request"};
	struct acme_reply reply = {0};
	char *csr = base64url_dup(o->wish->csr, o->wish->csr_len);
	json_t *json = csr != NULL ? json_pack("{s:s}", "csr", csr) : NULL;
	char *payload = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
	int r;

	call.payload = payload;
	r = payload != NULL ? acme_post(o->acme, &call, &reply, f) : no_memory(f);
	if (r == 0) {
		pace_hear(&run->pace, &reply.web);
		r = order_read(o, reply.json, f);
	}
	/* A CA that does not say so in its answer works on it nevertheless. */
	if (r == 0 && o->state < ORDER_PROCESSING)
		o->state = ORDER_PROCESSING;
	acme_reply_free(&reply);
	free(payload);
	json_decref(json);
	free(csr);
	return r;
}

static int download(const struct order *o, char **chain, struct failure *f)
{
	static const char type[] = "application/pem-certificate-chain";
	struct acme_call call = {.url = o->certificate, .what = "the certificate", .accept = type};
	struct acme_reply reply;
	int r;

	if (o->certificate == NULL)
		return acme_nonsense(f, o->url, "a valid order has no certificate");
	r = acme_post(o->acme, &call, &reply, f);
	if (r == 0 &&
	    (strcmp(reply.web.type, type) != 0 || strlen(reply.web.body) != reply.web.len ||
	     strstr(reply.web.body, "-----BEGIN CERTIFICATE-----") == NULL))
		r = acme_nonsense(f, o->certificate, "the certificate is no chain in PEM");
	if (r == 0) {
		*chain = reply.web.body;
		reply.web.body = NULL;
	}
	acme_reply_free(&reply);
	return r;
}

static int issue(struct run *run, char **chain, struct failure *f)
{
	struct order *o = &run->order;
	int r = 0;

	if (o->state == ORDER_PENDING && (r = authorize(run, f)) == 0 &&
	    (r = order_look(o, &run->pace, f)) == 0)
		r = order_await(o, ORDER_READY, &run->pace, f);
	pace_begin(&run->pace, o->wish->timeout_s);
	if (r == 0 && o->state == ORDER_READY)
		r = finalize(run, f);
	if (r == 0 && (r = order_await(o, ORDER_VALID, &run->pace, f)) == 0)
		r = download(o, chain, f);
	return r;
}

int acme_order(struct acme *acme, const struct acme_order *order, const struct acme_solver *solver,
               char **chain, struct failure *f)
{
	struct run run = {.order = {.acme = acme, .wish = order}, .solver = solver};
	int r;

	if ((r = order_place(&run.order, f)) == 0)
		r = issue(&run, chain, f);
	order_free(&run.order);
	return r;
}
