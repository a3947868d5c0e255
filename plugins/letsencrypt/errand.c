/*
 * One errand at a time, in a place of its own that outlives whoever waits: what main finds there
 * late is nothing to do.  So no post has to be taken back, and none keeps memory.
 */
#include "errand.h"

#include <netbird-signal/plugin.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

enum state { IDLE, ASKED, RUNNING, DONE };

struct errand {
	struct nbs_host *host;
	pthread_t main;
	pthread_mutex_t lock; /* a leaf */
	pthread_cond_t done;
	enum state state;
	bool cancelled;
	int (*fn)(void *arg);
	void *arg;
	int result;
};

int errand_open(struct errand **out, struct nbs_host *host)
{
	struct errand *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return -ENOMEM;
	e->host = host;
	e->main = pthread_self();
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->done, NULL);
	*out = e;
	return 0;
}

void errand_close(struct errand *e)
{
	if (e == NULL)
		return;
	pthread_cond_destroy(&e->done);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

/* [main], posted. */
static void run(void *arg)
{
	struct errand *e = arg;
	int r;

	pthread_mutex_lock(&e->lock);
	if (e->state != ASKED) {
		pthread_mutex_unlock(&e->lock);
		return;
	}
	e->state = RUNNING;
	pthread_mutex_unlock(&e->lock);
	r = e->fn(e->arg);
	pthread_mutex_lock(&e->lock);
	e->result = r;
	e->state = DONE;
	pthread_cond_signal(&e->done);
	pthread_mutex_unlock(&e->lock);
}

static int wait_for_main(struct errand *e)
{
	int r;

	while (e->state == RUNNING || (e->state == ASKED && !e->cancelled))
		pthread_cond_wait(&e->done, &e->lock);
	r = e->state == DONE ? e->result : -ECANCELED;
	e->state = IDLE;
	return r;
}

int errand_run(struct errand *e, int (*fn)(void *arg), void *arg)
{
	bool cancelled;
	int r;

	if (pthread_equal(pthread_self(), e->main))
		return fn(arg);
	pthread_mutex_lock(&e->lock);
	cancelled = e->cancelled;
	e->fn = fn;
	e->arg = arg;
	e->state = ASKED;
	pthread_mutex_unlock(&e->lock);
	r = cancelled ? -ECANCELED : e->host->post(e->host, run, e);
	pthread_mutex_lock(&e->lock);
	if (r < 0)
		e->state = IDLE;
	else
		r = wait_for_main(e);
	pthread_mutex_unlock(&e->lock);
	return r;
}

void errand_cancel(struct errand *e)
{
	pthread_mutex_lock(&e->lock);
	e->cancelled = true;
	pthread_cond_signal(&e->done);
	pthread_mutex_unlock(&e->lock);
}
