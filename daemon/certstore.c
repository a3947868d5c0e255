/* The current generation of certificates: what files and plugins change of it, and the watch over
 * the files. */
#include "certstore.h"

#include "certs.h"
#include "config.h"
#include "log.h"
#include "metrics.h"
#include "tls_tickets.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often the files are looked at, and how long they must have been left alone. */
#define WATCH_INTERVAL_MS 2000

struct look {
	struct certs_stamp *stamps;
	size_t n;
};

struct certstore {
	pthread_mutex_t lock; /* a leaf: current, for threads other than the main one */
	struct certs *current;
	struct certs_provided provided;
	struct tls_tickets *tickets;
	const struct config *cfg; /* NULL before the first certstore_use() */
	uint64_t next_look_ms;
	struct look seen;   /* the last look, if the files had changed */
	struct look failed; /* as they were when they could not be loaded */
	struct nbs_metric *reloaded, *reload_failed, *expiry;
};

static int register_metrics(struct certstore *store, struct metrics *metrics)
{
	static const char name[] = "tls_certificate_reloads_total";
	static const char help[] = "Certificates that were loaded anew, by result.";
	const struct metrics_series table[] = {
	    {&store->reloaded, NBS_COUNTER, name, "result=\"ok\"", help, NULL, 0},
	    {&store->reload_failed, NBS_COUNTER, name, "result=\"error\"", help, NULL, 0},
	    {&store->expiry, NBS_GAUGE, "tls_certificate_expiry_timestamp_seconds", NULL,
	     "When the first of the certificates in use expires, in seconds since 1970; 0 without "
	     "any.",
	     NULL, 0},
	    {0},
	};

	return metrics_register_table(metrics, table);
}

/* The generation without any certificate, to which plugins may add theirs. */
static int make_first(struct certstore *store)
{
	struct certs_config *config;
	int r;

	if ((r = certs_config_load(&config, NULL)) < 0)
		return r;
	r = certs_make(&store->current, config, &store->provided, store->tickets);
	certs_config_unref(config);
	return r;
}

int certstore_open(struct certstore **out, struct metrics *metrics)
{
	struct certstore *store = calloc(1, sizeof(*store));
	int r;

	if (store == NULL)
		return -ENOMEM;
	if ((r = register_metrics(store, metrics)) < 0)
		goto err0;
	if ((r = tls_tickets_open(&store->tickets, TLS_TICKETS_LIFETIME_MS)) < 0)
		goto err0;
	if ((r = make_first(store)) < 0)
		goto err1;
	pthread_mutex_init(&store->lock, NULL);
	*out = store;
	return 0;
err1:
	tls_tickets_close(store->tickets);
err0:
	free(store);
	return r;
}

static void look_forget(struct look *look)
{
	free(look->stamps);
	*look = (struct look){0};
}

static void look_move(struct look *to, struct look *from)
{
	look_forget(to);
	*to = *from;
	*from = (struct look){0};
}

static bool look_same(const struct look *a, const struct certs_stamp *stamps, size_t n)
{
	if (a->stamps == NULL || a->n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!certs_file_same(&a->stamps[i], &stamps[i]))
			return false;
	return true;
}

void certstore_close(struct certstore *store)
{
	if (store == NULL)
		return;
	look_forget(&store->seen);
	look_forget(&store->failed);
	certs_unref(store->current);
	certs_provided_free(&store->provided);
	tls_tickets_close(store->tickets);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

/* --- what is in use ------------------------------------------------------------------------- */

static void put_in_use(struct certstore *store, struct certs *certs)
{
	struct certs *old = store->current;

	pthread_mutex_lock(&store->lock);
	store->current = certs;
	pthread_mutex_unlock(&store->lock);
	metrics_record(store->expiry, (double)certs_expiry(certs) - metrics_value(store->expiry));
	certs_unref(old);
}

int certstore_load(struct certstore *store, const struct config *cfg, struct certs **out)
{
	struct certs_config *config;
	int r;

	*out = NULL;
	if ((r = certs_config_load(&config, cfg)) == 0) {
		r = certs_make(out, config, &store->provided, store->tickets);
		certs_config_unref(config);
	}
	if (r < 0 && store->cfg != NULL)
		metrics_count(store->reload_failed);
	return r;
}

/* What was loaded, with what plugins provide now. */
static struct certs *renew(struct certstore *store, struct certs *loaded)
{
	struct certs *certs;

	if (loaded->version == store->provided.version)
		return loaded;
	if (certs_make(&certs, loaded->config, &store->provided, store->tickets) < 0) {
		log_error("tls", "certificates of plugins are as they were before the reload");
		return loaded;
	}
	certs_unref(loaded);
	return certs;
}

static void say_loaded(const struct certs *certs, bool again)
{
	const struct certs_config *config = certs->config;
	char text[CERTS_SHOWN];

	certs_show(text, config->pairs, config->n_pairs);
	log_info("tls", "certificates %s pairs=%zu %s", again ? "reloaded" : "loaded",
	         config->n_pairs, text);
}

void certstore_use(struct certstore *store, const struct config *cfg, struct certs *certs)
{
	const bool had = store->current->config->n_pairs > 0;
	const bool has = certs->config->n_pairs > 0;

	put_in_use(store, renew(store, certs));
	store->cfg = cfg;
	look_forget(&store->seen);
	look_forget(&store->failed);
	if (has)
		say_loaded(store->current, had);
	else if (had)
		log_info("tls", "no certificates in the configuration any more%s",
		         certs_serve(store->current) ? "" : ", TLS is off");
	if (has && had)
		metrics_count(store->reloaded);
}

/* --- plugins -------------------------------------------------------------------------------- */

/* Makes the changed list the one that is provided, or frees it. */
static int provide_list(struct certstore *store, struct certs_provided *list)
{
	struct certs *certs;
	int r;

	if ((r = certs_make(&certs, store->current->config, list, store->tickets)) < 0) {
		certs_provided_free(list);
		return r;
	}
	certs_provided_free(&store->provided);
	store->provided = *list;
	put_in_use(store, certs);
	return 0;
}

static int change(struct certstore *store, const char *owner, const char *name,
                  struct certs_pair *pair)
{
	struct certs_provided list;
	int r;

	if ((r = certs_provided_change(&list, &store->provided, owner, name, pair)) < 0) {
		certs_provided_free(&list);
		return r;
	}
	return provide_list(store, &list);
}

static void say_changed(const char *what, const char *owner, const char *name,
                        const struct certs_pair *pair)
{
	struct certs_pair *one = (struct certs_pair *)pair;
	char text[CERTS_SHOWN];

	certs_show(text, &one, 1);
	/* A challenge's lives for seconds: whoever provides it says what became of it. */
	log_line(one->alpn != NULL ? NBS_DEBUG : NBS_INFO, "tls",
	         "certificate %s plugin=%s name=%s %s%s%s%s", what, owner, name, text,
	         pair->fallback ? " fallback=yes" : "", pair->alpn != NULL ? " alpn=" : "",
	         pair->alpn != NULL ? pair->alpn : "");
}

int certstore_provide(struct certstore *store, const char *owner, const struct nbs_cert *cert)
{
	struct certs_pair *pair;
	bool again;
	int r;

	if ((r = certs_provided_load(&pair, owner, cert)) < 0)
		return r;
	again = certs_provided_find(&store->provided, owner, cert->name) != NULL;
	if ((r = change(store, owner, cert->name, pair)) == 0)
		say_changed(again ? "replaced" : "provided", owner, cert->name, pair);
	certs_pair_unref(pair);
	return r;
}

/* What is left when the last one has gone. */
static void say_left(const struct certstore *store)
{
	if (!certs_serve(store->current))
		log_info("tls", "no certificate any more, TLS is off");
}

int certstore_withdraw(struct certstore *store, const char *owner, const char *name)
{
	struct certs_pair *pair = certs_provided_find(&store->provided, owner, name);
	bool challenge;
	int r;

	if (name == NULL || pair == NULL)
		return -ENOENT;
	certs_pair_ref(pair);
	challenge = pair->alpn != NULL;
	if ((r = change(store, owner, name, NULL)) == 0)
		say_changed("withdrawn", owner, name, pair);
	certs_pair_unref(pair);
	if (r == 0 && !challenge)
		say_left(store);
	return r;
}

void certstore_withdraw_all(struct certstore *store, const char *owner)
{
	if (certs_provided_find(&store->provided, owner, NULL) == NULL)
		return;
	/* Out of memory they serve on: they are copies of our own. */
	if (change(store, owner, NULL, NULL) == 0)
		log_debug("tls", "certificates withdrawn plugin=%s", owner);
}

bool certstore_serves(const struct certstore *store)
{
	return certs_serve(store->current);
}

/* --- the watch ------------------------------------------------------------------------------ */

/* The files have changed and were left alone since the last look. */
static void reload(struct certstore *store, struct look *now)
{
	struct certs *certs;

	if (certstore_load(store, store->cfg, &certs) < 0) {
		log_error("tls", "the certificates in use serve on; the changed files do not load");
		look_move(&store->failed, now);
		return;
	}
	certstore_use(store, store->cfg, certs);
}

static void look(struct certstore *store)
{
	const struct certs_config *config = store->current->config;
	struct look now;

	if ((now.stamps = certs_config_stamps(store->cfg, &now.n)) == NULL)
		return; /* the next time, then */
	if (look_same(&now, config->stamps, config->n_stamps)) {
		look_forget(&store->seen);
		look_forget(&store->failed);
	} else if (look_same(&now, store->failed.stamps, store->failed.n)) {
		look_forget(&store->seen);
	} else if (look_same(&now, store->seen.stamps, store->seen.n)) {
		reload(store, &now);
	} else {
		look_move(&store->seen, &now);
	}
	look_forget(&now);
}

void certstore_tick(struct certstore *store, uint64_t now_ms)
{
	if (store->current->config->n_stamps == 0 || now_ms < store->next_look_ms)
		return;
	store->next_look_ms = now_ms + WATCH_INTERVAL_MS;
	look(store);
}

struct certs *certstore_get(struct certstore *store)
{
	struct certs *certs;

	pthread_mutex_lock(&store->lock);
	certs = store->current->n_pairs > 0 ? store->current : NULL;
	if (certs != NULL)
		atomic_fetch_add(&certs->refs, 1);
	pthread_mutex_unlock(&store->lock);
	return certs;
}

static void warn_unreadable(const struct config *cfg, const char *path)
{
	if (*path != '\0' && access(path, R_OK) < 0)
		log_warn("tls",
		         "%s cannot be read again by user %s, a renewed one will not be loaded: %s",
		         path, cfg->user, strerror(errno));
}

void certstore_warn_unreadable(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->n_pairs; i++) {
		warn_unreadable(cfg, cfg->pairs[i].cert_file);
		warn_unreadable(cfg, cfg->pairs[i].cert_key);
	}
	warn_unreadable(cfg, cfg->client_ca);
}
