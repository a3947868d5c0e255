/* From the store to the daemon, and back. */
#include "keeper_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void keeper_serve_temporary(struct keeper *k)
{
	const struct names *names = &k->settings->names;
	struct nbs_host *host = k->p->host;
	char text[KEEPER_NAMES];
	struct status *st;
	int r = served_temporary(k->p->served, names->ids, names->n);

	if (r == -ECANCELED)
		return;
	if (r < 0) {
		host->log(host, NBS_ERROR, "cannot make a temporary certificate: %s", strerror(-r));
		return;
	}
	metrics_set(k->p->metrics, &k->p->metrics->temporary, 1);
	st = status_lock(k->p->board);
	st->temporary = true;
	status_unlock(k->p->board);
	names_text(names, ",", text, sizeof(text));
	host->log(
	    host, NBS_WARN,
	    "a temporary certificate, signed by nobody but this server, is served until the CA "
	    "has issued one: clients do not trust it names=%s",
	    text);
}

int keeper_use(struct keeper *k, struct certificate *c, bool stored, struct failure *f)
{
	int r = served_certificate(k->p->served, c);

	if (r < 0) {
		certificate_free(c);
		return failure_set(f, FAILURE_LOCAL, r, "the server cannot use the certificate: %s",
		                   strerror(-r));
	}
	certificate_free(k->cert);
	k->cert = c;
	k->unsaved = !stored;
	k->due = renewal_due(c->not_before, c->not_after, keeper_chance());
	k->has_window = k->keep_replaced = false;
	k->window = (struct acme_window){0};
	k->window_failures = 0;
	k->ask_again = 0;
	metrics_set(k->p->metrics, &k->p->metrics->temporary, 0);
	metrics_set(k->p->metrics, &k->p->metrics->expiry, (double)c->not_after);
	status_certificate(k->p->board, c, stored);
	return 0;
}

static void say_loaded(struct keeper *k)
{
	struct nbs_host *host = k->p->host;
	char until[WHEN_SIZE];

	when_text(until, k->cert->not_after);
	if (!keeper_fits(k))
		host->log(
		    host, NBS_WARN,
		    "the stored certificate is for other names or has another type of key: it is "
		    "served until there is a new one expires=%s",
		    until);
	else if (k->cert->not_after <= keeper_wall() && !k->clock_wrong)
		host->log(
		    host, NBS_WARN,
		    "the stored certificate has expired: it is served until there is a new one "
		    "expired=%s",
		    until);
	else
		host->log(host, NBS_INFO, "certificate loaded folder=%s expires=%s",
		          store_path(k->store), until);
}

static void say_mended(struct keeper *k)
{
	const char *warning = store_warning(k->store);

	if (warning != NULL)
		k->p->host->log(k->p->host, NBS_WARN, "%s", warning);
}

/* As good as none. */
static int useless(struct keeper *k, const struct failure *f)
{
	k->p->host->log(k->p->host, NBS_ERROR, "%s", f->text);
	metrics_failure(k->p->metrics, f->kind);
	return 0;
}

/* One that cannot be read has been put aside by the store. */
static int load(struct keeper *k, struct failure *f)
{
	struct certificate *c = NULL;
	int r = store_load_certificate(k->store, &c, f);

	say_mended(k);
	if (r == -EINVAL || r == -ELOOP || r == -EFBIG)
		return useless(k, f);
	if (r < 0 || c == NULL)
		return r;
	if ((r = keeper_use(k, c, true, f)) == 0)
		say_loaded(k);
	else if (r == -EINVAL)
		r = useless(k, f);
	return r;
}

void keeper_close_store(struct keeper *k)
{
	store_close(k->store);
	k->store = NULL;
}

/* Who made ssl-dir as root for a daemon that is another user has to be told. */
static int refused(const struct keeper *k, int r, struct failure *f)
{
	if (r != -EACCES)
		return r;
	return failure_set(
	    f, f->kind, r,
	    "%s: ssl-dir (%s) has to be there and belong to the user that the daemon "
	    "runs as, uid %u",
	    f->text, k->settings->ssl_dir, (unsigned)geteuid());
}

int keeper_open_store(struct keeper *k, struct failure *f)
{
	struct status *st;
	int r;

	if ((r = store_open(&k->store, k->settings->ssl_dir, k->settings->directory_url, f)) < 0) {
		k->store = NULL;
		return refused(k, r, f);
	}
	st = status_lock(k->p->board);
	snprintf(st->folder, sizeof(st->folder), "%s", store_path(k->store));
	status_unlock(k->p->board);
	if (k->cert != NULL) {
		k->unsaved = true; /* whatever has become of the files */
		return 0;
	}
	if ((r = load(k, f)) < 0)
		keeper_close_store(k);
	return refused(k, r, f);
}

int keeper_save(struct keeper *k, struct failure *f)
{
	struct status *st;
	int r;

	if ((r = store_save_certificate(k->store, k->cert, f)) < 0)
		return r;
	k->unsaved = false;
	st = status_lock(k->p->board);
	st->file = true;
	status_unlock(k->p->board);
	return 0;
}
