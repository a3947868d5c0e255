/*
 * A point in time for the functions that wait until one.
 */
#ifndef DEADLINE_H
#define DEADLINE_H

#include <time.h>

/* `ms` from now on that clock. */
void deadline_after(struct timespec *until, clockid_t clock, unsigned ms);

#endif
