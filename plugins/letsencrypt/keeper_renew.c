/* Asking the CA: when, and for what. */
#include "keeper_private.h"

#include <errno.h>

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static struct ca_terms terms_of(struct keeper *k, const struct acme_solver *solver)
{
	const bool tell = k->offers_windows && !k->keep_replaced && keeper_fits(k);

	return (struct ca_terms){.settings = k->settings,
	                         .store = k->store,
	                         .solver = solver,
	                         .host = k->p->host,
	                         .replaces = tell ? k->cert->leaf : NULL};
}

static void take_window(struct keeper *k, const struct acme_window *w)
{
	struct nbs_host *host = k->p->host;
	char from[WHEN_SIZE], to[WHEN_SIZE], at[WHEN_SIZE];

	k->offers_windows = true;
	k->window_failures = 0;
	k->ask_again =
	    keeper_boot_ms() +
	    renewal_ask_again(w->retry_after_s, k->settings->renew_check, keeper_chance());
	/* A moment is kept as long as the window is: drawing again would prefer the late ones. */
	if (k->window.start == w->start && k->window.end == w->end)
		return;
	k->window = *w;
	k->has_window = renewal_moment(w, k->cert->not_after, keeper_chance(), &k->moment);
	if (!k->has_window)
		host->log(host, NBS_WARN,
		          "the CA's renewal window makes no sense and is not used from=%s to=%s",
		          when_text(from, w->start), when_text(to, w->end));
	else
		host->log(host, NBS_INFO,
		          "the CA says when to renew from=%s to=%s chosen=%s explanation=%s",
		          when_text(from, w->start), when_text(to, w->end),
		          when_text(at, k->moment),
		          w->explanation[0] != '\0' ? w->explanation : "none");
}

static void no_window(struct keeper *k, int r, const struct failure *f)
{
	const struct renewal_policy policy = {k->settings->retry_min, k->settings->retry_max};
	struct nbs_host *host = k->p->host;
	int64_t wait;

	if (r == -ENOSYS) {
		k->offers_windows = k->has_window = false;
		k->window = (struct acme_window){0};
		k->ask_again =
		    keeper_boot_ms() +
		    renewal_ask_again(UINT64_MAX, k->settings->renew_check, keeper_chance());
		return;
	}
	wait = renewal_wait(&policy, f, ++k->window_failures, keeper_chance());
	k->ask_again = keeper_boot_ms() + min64(wait, k->settings->renew_check);
	host->log(host, k->window_failures == 1 ? NBS_WARN : NBS_DEBUG,
	          "the CA does not say when to renew: %s kind=%s", f->text, failure_label(f->kind));
}

/* Asks the CA when it wants to be asked for the next one (RFC 9773). */
void keeper_ask_window(struct keeper *k)
{
	struct ca_terms terms = terms_of(k, NULL);
	struct acme_window window = {0};
	struct failure f = {0};
	int r;

	if (!keeper_fits(k) || keeper_boot_ms() < k->ask_again)
		return;
	r = ca_window(k->ca, &terms, k->cert->leaf, &window, &f);
	if (r == 0)
		take_window(k, &window);
	else if (r != -ECANCELED)
		no_window(k, r, &f);
}

static void succeeded(struct keeper *k)
{
	const struct renewal_policy policy = {k->settings->retry_min, k->settings->retry_max};
	struct nbs_host *host = k->p->host;
	char names[KEEPER_NAMES], until[WHEN_SIZE], next[WHEN_SIZE];
	struct status *st;

	keeper_recovered(k);
	keeper_ask_window(k);
	/* A certificate that is to be renewed as soon as it comes must not become a storm, whatever
	 * ends other waits. */
	k->hasty = keeper_is_due(k) ? k->hasty + 1 : 0;
	k->calm = 0;
	if (k->hasty > 0)
		k->calm = keeper_boot_ms() + renewal_wait(&policy,
		                                          &(struct failure){.kind = FAILURE_SERVER},
		                                          k->hasty, keeper_chance());
	st = status_lock(k->p->board);
	st->last_success = keeper_wall();
	status_unlock(k->p->board);
	metrics_set(k->p->metrics, &k->p->metrics->last_success, (double)keeper_wall());
	names_text(&k->settings->names, ",", names, sizeof(names));
	host->log(host, NBS_INFO, "certificate obtained names=%s expires=%s next_renewal=%s", names,
	          when_text(until, k->cert->not_after), when_text(next, keeper_next_attempt(k)));
}

/* A certificate that has expired already must not take the place of one that clients trust. */
static int judge(const struct keeper *k, struct certificate **c, struct failure *f)
{
	const time_t now = keeper_wall();
	char when[WHEN_SIZE];

	if (!keeper_fits(k) || k->cert->not_after <= now || (*c)->not_after > now)
		return 0;
	when_text(when, (*c)->not_after);
	certificate_free(*c);
	*c = NULL;
	return failure_set(f, FAILURE_SERVER, -EINVAL,
	                   "the certificate that the CA sent has expired already: %s", when);
}

static int get(struct keeper *k, struct certificate **out, struct failure *f)
{
	const struct acme_solver solver = challenges_solver(k->p->challenges);
	const struct ca_terms terms = terms_of(k, &solver);
	bool asked = false;
	int r = ca_certificate(k->ca, &terms, out, &asked, f);

	if (r == 0)
		r = judge(k, out, f);
	if (asked && r != -ECANCELED)
		metrics_order(k->p->metrics, r == 0);
	if (r < 0 && f->kind == FAILURE_REFUSED && terms.replaces != NULL)
		k->keep_replaced = true;
	return r;
}

void keeper_renew(struct keeper *k)
{
	const char *what = k->cert != NULL ? "the certificate was not renewed" : "no certificate";
	struct failure f = {0}, unsaved = {0};
	struct certificate *c = NULL;
	bool saved;
	int r;

	keeper_show(k, STATUS_WORKING);
	/* First to the disk: whatever happens then, no second one has to be asked for. */
	saved = (r = get(k, &c, &f)) == 0 && store_save_certificate(k->store, c, &unsaved) == 0;
	if (r == 0)
		r = keeper_use(k, c, saved, &f);
	if (r == -ECANCELED)
		return;
	if (r < 0)
		keeper_failed(k, what, &f);
	else
		succeeded(k);
	if (r == 0 && !saved)
		keeper_failed(k, KEEPER_UNSAVED, &unsaved);
	if ((r < 0 ? f.kind : unsaved.kind) == FAILURE_STORAGE)
		keeper_close_store(k);
}
