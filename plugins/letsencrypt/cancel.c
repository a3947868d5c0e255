/* The mark is an eventfd, so that a wait for sockets and processes is a wait for it too. */
#include "cancel.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

int cancel_open(struct cancel *c)
{
	atomic_init(&c->since, 0);
	c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return c->fd < 0 ? -errno : 0;
}

void cancel_close(struct cancel *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void cancel_set(struct cancel *c)
{
	int64_t never = 0;

	atomic_compare_exchange_strong(&c->since, &never, cancel_now());
	/* It cannot fail but by overflow, and then it is set already. */
	(void)!eventfd_write(c->fd, 1);
}

bool cancel_is_set(const struct cancel *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

int64_t cancel_since(const struct cancel *c)
{
	return atomic_load(&c->since);
}

int cancel_wait(const struct cancel *c, int64_t until)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	int left;

	do {
		left = cancel_left(until);
		if (poll(&p, 1, left) > 0)
			return -ECANCELED;
	} while (left > 0);
	return 0;
}

int64_t cancel_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int cancel_left(int64_t until)
{
	int64_t left = until - cancel_now();

	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}
