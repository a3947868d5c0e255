/* A point in time for the functions that wait until one. */
#include "deadline.h"

void deadline_after(struct timespec *until, clockid_t clock, unsigned ms)
{
	clock_gettime(clock, until);
	until->tv_sec += ms / 1000;
	until->tv_nsec += (long)(ms % 1000) * 1000000;
	if (until->tv_nsec >= 1000000000) {
		until->tv_nsec -= 1000000000;
		until->tv_sec++;
	}
}
