/*
 * A count of what has begun and not ended, which an end can wait for.
 */
#ifndef PENDING_H
#define PENDING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct pending {
	atomic_long n;
	atomic_bool watched; /* somebody waits for none */
	pthread_mutex_t lock;
	pthread_cond_t none;
};
/* For static ones; others begin with pending_open(). */
#define PENDING_INITIALIZER                                                         \
	{                                                                           \
		.lock = PTHREAD_MUTEX_INITIALIZER, .none = PTHREAD_COND_INITIALIZER \
	}

void pending_open(struct pending *p);
void pending_close(struct pending *p);

/* [any] `p` must outlive the return of every pending_end(), not only the count. */
void pending_begin(struct pending *p);
void pending_end(struct pending *p);
/* Waits until there is none, for at most `ms`; whether there is none. */
bool pending_wait(struct pending *p, unsigned ms);

#endif
