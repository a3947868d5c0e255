/*
 * Points in time on CLOCK_MONOTONIC, in milliseconds, and a condition that waits until one.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <pthread.h>
#include <stdint.h>

int64_t clock_now(void);
/* A condition for clock_wait(). */
void clock_cond_open(pthread_cond_t *cond);
/* Waits, with `lock` held as ever, for the condition or until `until`; spuriously for neither. */
void clock_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until);

#endif
