/* Points in time, and a condition that waits until one. */
#include "clock.h"

#include <time.h>

int64_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Not pthread_cond_clockwait(): ThreadSanitizer does not know that it gives the lock away. */
void clock_cond_open(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

void clock_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until)
{
	const struct timespec ts = {.tv_sec = (time_t)(until / 1000),
	                            .tv_nsec = (long)(until % 1000) * 1000000};

	pthread_cond_timedwait(cond, lock, &ts);
}
