/*
 * A mark that any thread sets, once and for good, and that ends every wait.  Points in time are
 * milliseconds of CLOCK_MONOTONIC.
 */
#ifndef LETSENCRYPT_CANCEL_H
#define LETSENCRYPT_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cancel {
	int fd; /* readable once it is set, for poll(); nobody reads it */
	_Atomic int64_t since;
};

int cancel_open(struct cancel *c);
void cancel_close(struct cancel *c);
/* [any] */
void cancel_set(struct cancel *c);
bool cancel_is_set(const struct cancel *c);
/* When it was set first, if it is. */
int64_t cancel_since(const struct cancel *c);
/* Waits until a point in time: 0, or -ECANCELED as soon as the mark is set. */
int cancel_wait(const struct cancel *c, int64_t until);

int64_t cancel_now(void);
/* What is left until a point in time, as poll() takes it: at least 0. */
int cancel_left(int64_t until);

#endif
