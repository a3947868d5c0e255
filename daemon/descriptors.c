/* RLIMIT_NOFILE. */
#include "descriptors.h"

#include "conn_limits.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

/* Log, listeners, event loops, timers, certificates while they are read, and what plugins and
 * libraries open for themselves. */
#define BASE 96
#define PER_THREAD 8

unsigned descriptors_fit(unsigned max_connections, unsigned threads, unsigned *total)
{
	const rlim_t reserved = BASE + threads * PER_THREAD + CONN_LIMITS_ADMIN_DESCRIPTORS;
	const rlim_t need = reserved + (rlim_t)max_connections * DESCRIPTORS_PER_CONNECTION_AT_MOST;
	struct rlimit limit;

	*total = 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return max_connections * DESCRIPTORS_PER_CONNECTION_AT_MOST;
	if (limit.rlim_cur < need) {
		limit.rlim_cur = need < limit.rlim_max ? need : limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
			log_warn("daemon", "cannot raise the limit of file descriptors: %s",
			         strerror(errno));
			getrlimit(RLIMIT_NOFILE, &limit);
		}
	}
	*total = limit.rlim_cur < 0x7fffffff ? (unsigned)limit.rlim_cur : 0x7fffffff;
	return limit.rlim_cur > reserved + DESCRIPTORS_PER_CONNECTION ? *total - (unsigned)reserved
	                                                              : DESCRIPTORS_PER_CONNECTION;
}
