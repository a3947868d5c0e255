/*
 * For tests: who may register, by the beginning of the id.
 *   no-         refused at once
 *   later-      admitted on another thread, `delay` (a duration, 50ms) later
 *   laterno-    refused there
 *   race-       admitted there with no delay, perhaps before admit() has returned
 *   never-      decided only when the daemon stops
 * Everybody else is admitted at once.  Metric: admission_waiting.
 */
#include <netbird-signal/plugin.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

NBS_PLUGIN_NOTE;

struct waiting {
	struct waiting *next;
	struct nbs_admission *ask;
	uint64_t due;
	int verdict;
};

struct guard {
	struct nbs_host *host;
	struct nbs_metric *waiting_now;
	int64_t delay;
	pthread_t thread;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t changed;
	struct waiting *list;
	bool quit;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool begins(const char *id, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(id, with, strlen(with)) == 0;
}

static int put_off(struct guard *g, struct nbs_admission *ask, uint64_t due, int verdict)
{
	struct waiting *w = malloc(sizeof(*w));

	if (w == NULL)
		return -EACCES;
	w->ask = ask;
	w->due = due;
	w->verdict = verdict;
	g->host->metric_record(g->waiting_now, 1);
	pthread_mutex_lock(&g->lock);
	w->next = g->list;
	g->list = w;
	pthread_cond_signal(&g->changed);
	pthread_mutex_unlock(&g->lock);
	return -EINPROGRESS;
}

static int admit(void *self, struct nbs_admission *ask, const char *id, size_t len,
                 const char **why)
{
	struct guard *g = self;
	const uint64_t later = now_ms() + (uint64_t)g->delay;

	*why = "refused by the test";
	if (begins(id, len, "no-"))
		return -EACCES;
	if (begins(id, len, "later-"))
		return put_off(g, ask, later, 0);
	if (begins(id, len, "laterno-"))
		return put_off(g, ask, later, -EACCES);
	if (begins(id, len, "race-"))
		return put_off(g, ask, 0, 0);
	if (begins(id, len, "never-"))
		return put_off(g, ask, UINT64_MAX, 0);
	return 0;
}

static void decide(struct guard *g, struct waiting *w)
{
	g->host->admission_decide(w->ask, w->verdict,
	                          w->verdict != 0 ? "refused later by the test" : NULL);
	g->host->metric_record(g->waiting_now, -1);
	free(w);
}

/* Takes one that is due out of the list, or NULL and how long to wait for it. */
static struct waiting *take_due(struct guard *g, uint64_t *wait)
{
	const uint64_t now = now_ms();

	*wait = 1000;
	for (struct waiting **at = &g->list; *at != NULL; at = &(*at)->next) {
		struct waiting *w = *at;

		if (g->quit || w->due <= now) {
			*at = w->next;
			return w;
		}
		if (w->due - now < *wait)
			*wait = w->due - now;
	}
	return NULL;
}

static void *serve(void *arg)
{
	struct guard *g = arg;
	struct waiting *w;
	uint64_t wait;

	pthread_mutex_lock(&g->lock);
	while ((w = take_due(g, &wait)) != NULL || !g->quit) {
		if (w != NULL) {
			pthread_mutex_unlock(&g->lock);
			decide(g, w);
			pthread_mutex_lock(&g->lock);
		} else {
			const uint64_t until = now_ms() + wait;
			const struct timespec ts = {.tv_sec = (time_t)(until / 1000),
			                            .tv_nsec = (long)(until % 1000) * 1000000};

			pthread_cond_timedwait(&g->changed, &g->lock, &ts);
		}
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

static int admission_init(struct nbs_host *host, void **self)
{
	static const struct nbs_admission_ops ops = {.size = sizeof(ops), .admit = admit};
	const struct nbs_metric_desc desc = {.size = sizeof(desc),
	                                     .kind = NBS_GAUGE,
	                                     .name = "admission_waiting",
	                                     .help = "Registrations without a verdict."};
	pthread_condattr_t attr;
	struct guard *g;
	int r;

	if ((g = calloc(1, sizeof(*g))) == NULL)
		return -ENOMEM;
	g->host = host;
	g->delay = 50;
	if ((r = host->conf_duration(host, "delay", 0, 60000, &g->delay)) < 0 ||
	    (r = host->metric_register(host, &desc, &g->waiting_now)) < 0 ||
	    (r = host->admission_register(host, &ops, g)) < 0) {
		free(g);
		return r;
	}
	pthread_mutex_init(&g->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&g->changed, &attr);
	pthread_condattr_destroy(&attr);
	*self = g;
	return 0;
}

static int admission_start(void *self)
{
	struct guard *g = self;
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&g->thread, NULL, serve, g);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static int admission_stop(void *self, unsigned grace_ms)
{
	struct guard *g = self;

	(void)grace_ms;
	pthread_mutex_lock(&g->lock);
	g->quit = true;
	pthread_cond_signal(&g->changed);
	pthread_mutex_unlock(&g->lock);
	pthread_join(g->thread, NULL);
	return 0;
}

/* Somebody may have been asked about between stop() and now. */
static void admission_destroy(void *self)
{
	struct guard *g = self;

	while (g->list != NULL) {
		struct waiting *w = g->list;

		g->list = w->next;
		decide(g, w);
	}
	pthread_cond_destroy(&g->changed);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,
    .name = "admission",
    .version = "1.0",
    .init = admission_init,
    .start = admission_start,
    .stop = admission_stop,
    .destroy = admission_destroy,
};
