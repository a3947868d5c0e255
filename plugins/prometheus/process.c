/* The process as /proc/self/stat (proc(5)) and its limits show it. */
#include "process.h"

#include "render.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct stat_line {
	unsigned long long user, system, started; /* clock ticks; `started` after the boot */
	long threads;
	unsigned long long virtual_bytes;
	long resident_pages;
};

static int read_file(const char *path, char *out, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = read(fd, out, size - 1);
	err = errno;
	close(fd);
	if (n < 0)
		return -err;
	out[n] = '\0';
	return 0;
}

static int read_stat(struct stat_line *s)
{
	char line[1024];
	const char *rest;
	int r = read_file("/proc/self/stat", line, sizeof(line));

	if (r < 0)
		return r;
	/* The second field is the program's name, which may hold anything, also a parenthesis. */
	if ((rest = strrchr(line, ')')) == NULL)
		return -EINVAL;
	r = sscanf(rest + 1,
	           " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %ld %*d "
	           "%llu %llu %ld",
	           &s->user, &s->system, &s->threads, &s->started, &s->virtual_bytes,
	           &s->resident_pages);
	return r == 6 ? 0 : -EINVAL;
}

static double seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double ticks(unsigned long long n)
{
	return (double)n / (double)sysconf(_SC_CLK_TCK);
}

int process_open(struct process *p)
{
	struct stat_line s;
	const int r = read_stat(&s);

	*p = (struct process){.started = 0};
	if (r < 0)
		return r;
	/* Once, or it would move with each correction of the clock.  To hundredths, as finely as
	 * the kernel says it. */
	p->started = seconds(CLOCK_REALTIME) - seconds(CLOCK_BOOTTIME) + ticks(s.started);
	p->started = (double)(long long)(p->started * 100 + 0.5) / 100;
	return 0;
}

static void show(struct render *r, enum nbs_kind kind, const char *name, const char *help,
                 double value)
{
	const struct nbs_metric_desc desc = {
	    .size = sizeof(desc), .kind = kind, .name = name, .help = help};

	render_series(r, "", &desc, &value, 1);
}

static double soft_limit(int resource)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0)
		return -1;
	return (double)limit.rlim_cur; /* without one the largest number, as in client libraries */
}

void process_render(struct process *p, struct render *r)
{
	const long fds = open_fds_count(&p->fds);
	struct stat_line s;

	if (fds >= 0)
		show(r, NBS_GAUGE, "process_open_fds", "Number of open file descriptors.",
		     (double)fds);
	show(r, NBS_GAUGE, "process_max_fds", "Maximum number of open file descriptors.",
	     soft_limit(RLIMIT_NOFILE));
	show(r, NBS_GAUGE, "process_virtual_memory_max_bytes",
	     "Maximum amount of virtual memory available in bytes.", soft_limit(RLIMIT_AS));
	if (read_stat(&s) < 0)
		return;
	show(r, NBS_COUNTER, "process_cpu_seconds_total",
	     "Total user and system CPU time spent in seconds.", ticks(s.user + s.system));
	show(r, NBS_GAUGE, "process_resident_memory_bytes", "Resident memory size in bytes.",
	     (double)s.resident_pages * (double)sysconf(_SC_PAGESIZE));
	show(r, NBS_GAUGE, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
	     (double)s.virtual_bytes);
	show(r, NBS_GAUGE, "process_threads", "Number of threads in the process.",
	     (double)s.threads);
	if (p->started > 0)
		show(r, NBS_GAUGE, "process_start_time_seconds",
		     "Start time of the process since unix epoch in seconds.", p->started);
}
