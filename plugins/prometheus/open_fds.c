/* Counting open descriptors, at 20,000 of them too. */
#include "open_fds.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

#define DIRECTORY "/proc/self/fd"
#define KEEP 100 /* times as long as it took */

long open_fds_ask(void)
{
	struct stat st;

	if (stat(DIRECTORY, &st) < 0)
		return -errno;
	/* Older kernels say 0, which it never is where somebody can be answered. */
	return st.st_size > 0 ? (long)st.st_size : -ENOTSUP;
}

long open_fds_list(void)
{
	DIR *dir = opendir(DIRECTORY);
	long n = -3; /* ".", ".." and the descriptor of `dir` */

	if (dir == NULL)
		return -errno;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

long open_fds_keep(struct open_fds *o)
{
	const uint64_t begin = now_ns();
	uint64_t end;
	long n;

	if (begin < atomic_load(&o->until))
		return atomic_load(&o->count);
	if ((n = open_fds_list()) < 0)
		return n;
	end = now_ns();
	atomic_store(&o->count, n);
	atomic_store(&o->until, end + KEEP * (end - begin));
	return n;
}

long open_fds_count(struct open_fds *o)
{
	const long n = open_fds_ask();

	return n == -ENOTSUP ? open_fds_keep(o) : n;
}
