/* The current generation of certificates, and the watch over its files. */
#include "certstore.h"

#include "certs.h"
#include "config.h"
#include "log.h"
#include "metrics.h"
#include "tls_tickets.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* How often the files are looked at, and how long they must have been left alone. */
#define WATCH_INTERVAL_MS 2000

#define NAMES_SHOWN 8

struct look {
	struct certs_stamp *stamps;
	size_t n;
};

struct certstore {
	pthread_mutex_t lock; /* a leaf: current */
	struct certs *current;
	struct tls_tickets *tickets;
	const struct config *cfg;
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
	pthread_mutex_init(&store->lock, NULL);
	*out = store;
	return 0;
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
	tls_tickets_close(store->tickets);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

int certstore_load(struct certstore *store, const struct config *cfg, struct certs **out)
{
	int r;

	*out = NULL;
	if (cfg->n_pairs == 0)
		return 0;
	if ((r = certs_load(out, cfg, store->tickets)) < 0 && store->current != NULL)
		metrics_count(store->reload_failed);
	return r;
}

/* "a.example,*.b.example,+3" */
static void show_names(const struct certs *certs, char *text, size_t size)
{
	size_t at = 0, shown = 0, all = 0;

	text[0] = '\0';
	for (size_t i = 0; i < certs->n_pairs; i++) {
		const struct certs_names *names = &certs->pairs[i].names;

		all += names->n;
		for (size_t k = 0; k < names->n && shown < NAMES_SHOWN; k++) {
			size_t room = size - at;
			int n =
			    snprintf(text + at, room, "%s%s", at > 0 ? "," : "", names->names[k]);

			if (n < 0 || (size_t)n >= room) {
				text[at] = '\0';
				break;
			}
			at += (size_t)n;
			shown++;
		}
	}
	if (all > shown)
		snprintf(text + at, size - at, ",+%zu", all - shown);
}

static void say(const struct certs *certs, const char *what)
{
	char names[600], expires[32] = "?";
	time_t first = certs_expiry(certs);
	struct tm tm;

	show_names(certs, names, sizeof(names));
	if (gmtime_r(&first, &tm) != NULL)
		strftime(expires, sizeof(expires), "%Y-%m-%dT%H:%M:%SZ", &tm);
	log_info("tls", "certificates %s pairs=%zu names=%s expires=%s", what, certs->n_pairs,
	         names, expires);
}

void certstore_use(struct certstore *store, const struct config *cfg, struct certs *certs)
{
	struct certs *old;

	pthread_mutex_lock(&store->lock);
	old = store->current;
	store->current = certs;
	pthread_mutex_unlock(&store->lock);
	store->cfg = cfg;
	look_forget(&store->seen);
	look_forget(&store->failed);
	metrics_record(store->expiry, (certs != NULL ? (double)certs_expiry(certs) : 0) -
	                                  metrics_value(store->expiry));
	if (certs != NULL)
		say(certs, old != NULL ? "reloaded" : "loaded");
	else if (old != NULL)
		log_info("tls", "no certificates any more, TLS is off");
	if (certs != NULL && old != NULL)
		metrics_count(store->reloaded);
	certs_unref(old);
}

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
	struct look now;

	if ((now.stamps = certs_stamp_all(store->cfg, &now.n)) == NULL)
		return; /* the next time, then */
	if (look_same(&now, store->current->stamps, store->current->n_stamps)) {
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
	if (store->current == NULL || now_ms < store->next_look_ms)
		return;
	store->next_look_ms = now_ms + WATCH_INTERVAL_MS;
	look(store);
}

struct certs *certstore_get(struct certstore *store)
{
	struct certs *certs;

	pthread_mutex_lock(&store->lock);
	certs = store->current;
	if (certs != NULL)
		atomic_fetch_add(&certs->refs, 1);
	pthread_mutex_unlock(&store->lock);
	return certs;
}
