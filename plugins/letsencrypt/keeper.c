/* The steps, and the keeper's beginning and end. */
#include "keeper_private.h"

#include <errno.h>
#include <stdlib.h>

#define LOOK 60000 /* ms; how long a clock that was set may go unnoticed */
#define BREATH 100 /* ms between two steps, whatever was computed */

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void keeper_show(struct keeper *k, enum status_phase phase)
{
	const time_t next = keeper_next_attempt(k);
	struct status *st = status_lock(k->p->board);

	st->phase = phase;
	st->next_attempt = next;
	st->last.n = k->failures;
	st->has_window = k->has_window;
	st->window = k->window;
	status_unlock(k->p->board);
	metrics_set(k->p->metrics, &k->p->metrics->next_attempt, (double)next);
}

/* What is in memory only goes to the disk. */
static bool store_is_ready(struct keeper *k)
{
	struct nbs_host *host = k->p->host;
	struct failure f = {0};
	int r;

	if (k->store == NULL && (r = keeper_open_store(k, &f)) < 0) {
		if (r != -ECANCELED)
			keeper_failed(k, "no place for certificates", &f);
		return false;
	}
	if (!k->unsaved)
		return true;
	if (keeper_save(k, &f) < 0) {
		keeper_failed(k, KEEPER_UNSAVED, &f);
		if (keeper_may_renew(k))
			return true; /* a full disk must not be the end of it */
		keeper_close_store(k);
		return false;
	}
	host->log(host, NBS_INFO, "certificate stored folder=%s", store_path(k->store));
	return true;
}

static void work(struct keeper *k, bool now)
{
	if (!store_is_ready(k))
		return;
	keeper_look_at_start(k);
	if (!k->too_early)
		keeper_ask_window(k);
	if (now || keeper_may_renew(k))
		keeper_renew(k);
	else if (k->failures > 0)
		keeper_recovered(k);
}

static int64_t how_long(const struct keeper *k)
{
	const int64_t boot = keeper_boot_ms(), look = min64(LOOK, k->settings->renew_check);
	int64_t wait = look, due = ((int64_t)keeper_due_at(k) - keeper_wall()) * 1000;

	if (k->not_until > boot)
		return min64(look, k->not_until - boot) + BREATH;
	if (keeper_fits(k) && due > 0)
		wait = min64(wait, due);
	if (keeper_fits(k) && k->ask_again > boot)
		wait = min64(wait, k->ask_again - boot);
	return wait + BREATH;
}

int64_t keeper_step(struct keeper *k, bool now)
{
	keeper_look_at_clock(k);
	if (!k->clock_wrong && (now || keeper_boot_ms() >= k->not_until))
		work(k, now);
	keeper_raise_alarm(k);
	keeper_show(k, k->clock_wrong || k->too_early ? STATUS_NO_CLOCK : STATUS_WAITING);
	return how_long(k);
}

void keeper_begin(struct keeper *k)
{
	struct failure f = {0};

	keeper_look_at_clock(k);
	if (keeper_open_store(k, &f) < 0)
		keeper_failed(k, "no place for certificates", &f);
	if (k->cert == NULL)
		keeper_serve_temporary(k);
	keeper_show(k, STATUS_WAITING);
}

void keeper_configure(struct keeper *k, struct settings *settings)
{
	const bool others = !names_equal(&k->settings->names, &settings->names);

	challenges_configure(k->p->challenges, &settings->challenges);
	settings_free(k->settings);
	k->settings = settings;
	status_settings(k->p->board, settings);
	/* What failed may work now; but the patience that a CA asked for is not ours to end. */
	if (others || k->last.kind != FAILURE_RATE_LIMIT)
		keeper_recovered(k);
	if (k->cert == NULL && others)
		keeper_serve_temporary(k);
}

int keeper_open(struct keeper **out, const struct worker_parts *parts, struct settings *settings)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int r;

	if (k == NULL)
		return -ENOMEM;
	if ((r = ca_open(&k->ca)) < 0) {
		free(k);
		return r;
	}
	k->p = parts;
	k->settings = settings;
	challenges_configure(parts->challenges, &settings->challenges);
	status_settings(parts->board, settings);
	*out = k;
	return 0;
}

void keeper_close(struct keeper *k)
{
	if (k == NULL)
		return;
	if (k->store != NULL)
		keeper_close_store(k);
	certificate_free(k->cert);
	ca_close(k->ca);
	settings_free(k->settings);
	free(k);
}

void keeper_cancel(struct keeper *k)
{
	ca_cancel(k->ca);
	challenges_cancel(k->p->challenges);
}
