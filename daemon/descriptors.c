/* RLIMIT_NOFILE. */
#include "descriptors.h"

#include "conn_limits.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

/* Log, listeners, event loops, timers, and what plugins and their libraries open for themselves. */
#define BASE 64
#define PER_THREAD 8

unsigned descriptors_fit(unsigned max_connections, unsigned threads, unsigned *total)
{
	const rlim_t reserved =
	    BASE + threads * PER_THREAD + CONN_LIMITS_ADMIN_RESERVE * DESCRIPTORS_PER_CONNECTION;
	rlim_t need = reserved + (rlim_t)max_connections * DESCRIPTORS_PER_CONNECTION;
	struct rlimit limit;
	rlim_t fit;

	*total = 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return max_connections;
	if (limit.rlim_cur < need) {
		limit.rlim_cur = need < limit.rlim_max ? need : limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
			log_warn("daemon", "cannot raise the limit of file descriptors: %s",
			         strerror(errno));
			getrlimit(RLIMIT_NOFILE, &limit);
		}
	}
	*total = limit.rlim_cur < 0x7fffffff ? (unsigned)limit.rlim_cur : 0x7fffffff;
	if (limit.rlim_cur >= need)
		return max_connections;
	fit = limit.rlim_cur > reserved ? (limit.rlim_cur - reserved) / DESCRIPTORS_PER_CONNECTION
	                                : 0;
	return fit > 0 ? (unsigned)fit : 1;
}
