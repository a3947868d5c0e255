/* The thread, and what the main thread leaves for it. */
#include "worker.h"

#include "keeper.h"
#include "renewal.h"

#include <netbird-signal/plugin.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAME "letsencrypt"

struct worker {
	struct worker_parts parts;
	struct keeper *keeper;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* a leaf: what follows */
	pthread_cond_t changed;
	bool stopping, renew, working;
	struct settings *next;
};

static int open_condition(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int r;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	r = -pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return r;
}

int worker_open(struct worker **out, const struct worker_parts *parts, struct settings *settings)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (w == NULL) {
		settings_free(settings);
		return -ENOMEM;
	}
	w->parts = *parts;
	if ((r = open_condition(&w->changed)) < 0)
		goto err0;
	if ((r = keeper_open(&w->keeper, &w->parts, settings)) < 0)
		goto err1;
	pthread_mutex_init(&w->lock, NULL);
	*out = w;
	return 0;
err1:
	pthread_cond_destroy(&w->changed);
err0:
	settings_free(settings);
	free(w);
	return r;
}

void worker_close(struct worker *w)
{
	if (w == NULL)
		return;
	keeper_close(w->keeper);
	settings_free(w->next);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static struct timespec in_ms(int64_t ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += (time_t)(ms / 1000);
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	return ts;
}

static void wait_for_work(struct worker *w, int64_t ms)
{
	const struct timespec until = in_ms(ms);

	while (!w->stopping && !w->renew && w->next == NULL)
		if (pthread_cond_timedwait(&w->changed, &w->lock, &until) == ETIMEDOUT)
			return;
}

static void *run(void *arg)
{
	struct worker *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->stopping) {
		struct settings *next = w->next;
		bool renew = w->renew;
		int64_t ms;

		w->next = NULL;
		w->renew = false;
		w->working = renew;
		pthread_mutex_unlock(&w->lock);
		if (next != NULL)
			keeper_configure(w->keeper, next);
		ms = keeper_step(w->keeper, renew);
		pthread_mutex_lock(&w->lock);
		w->working = false;
		wait_for_work(w, ms);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Signals are the daemon's. */
static int start_thread(struct worker *w)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		pthread_setname_np(w->thread, NAME);
	return r;
}

int worker_start(struct worker *w)
{
	struct nbs_host *host = w->parts.host;
	int r;

	keeper_begin(w->keeper);
	if ((r = start_thread(w)) < 0) {
		host->log(host, NBS_ERROR, "cannot start a thread: %s", strerror(-r));
		return r;
	}
	w->started = true;
	return 0;
}

static void tell(struct worker *w)
{
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

void worker_configure(struct worker *w, struct settings *settings)
{
	pthread_mutex_lock(&w->lock);
	settings_free(w->next);
	w->next = settings;
	tell(w);
}

static bool is_at_the_ca(struct worker *w)
{
	const bool working = status_lock(w->parts.board)->phase == STATUS_WORKING;

	status_unlock(w->parts.board);
	return working;
}

int worker_renew(struct worker *w)
{
	int r = 0;

	if (is_at_the_ca(w))
		return -EBUSY;
	if (renewal_clock_is_wrong(time(NULL)))
		return -EAGAIN;
	pthread_mutex_lock(&w->lock);
	if (w->stopping || !w->started)
		r = -ESHUTDOWN;
	else if (w->renew || w->working)
		r = -EBUSY;
	else
		w->renew = true;
	tell(w);
	return r;
}

void worker_cancel(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	tell(w);
	keeper_cancel(w->keeper);
}

void worker_stop(struct worker *w)
{
	worker_cancel(w);
	if (w->started)
		pthread_join(w->thread, NULL);
	w->started = false;
}
