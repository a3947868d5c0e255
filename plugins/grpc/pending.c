/* A count of what has begun and not ended, which an end can wait for. */
#include "pending.h"

#include "deadline.h"

void pending_open(struct pending *p)
{
	atomic_init(&p->n, 0);
	atomic_init(&p->watched, false);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->none, NULL);
}

void pending_close(struct pending *p)
{
	pthread_cond_destroy(&p->none);
	pthread_mutex_destroy(&p->lock);
}

void pending_begin(struct pending *p)
{
	atomic_fetch_add(&p->n, 1);
}

void pending_end(struct pending *p)
{
	if (atomic_fetch_sub(&p->n, 1) > 1 || !atomic_load(&p->watched))
		return;
	pthread_mutex_lock(&p->lock);
	pthread_cond_broadcast(&p->none);
	pthread_mutex_unlock(&p->lock);
}

bool pending_wait(struct pending *p, unsigned ms)
{
	struct timespec until;

	atomic_store(&p->watched, true);
	deadline_after(&until, CLOCK_MONOTONIC, ms);
	pthread_mutex_lock(&p->lock);
	while (atomic_load(&p->n) > 0 &&
	       pthread_cond_clockwait(&p->none, &p->lock, CLOCK_MONOTONIC, &until) == 0)
		;
	pthread_mutex_unlock(&p->lock);
	return atomic_load(&p->n) == 0;
}
