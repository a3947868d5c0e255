/*
 * procfs.c - CPU time and memory of the measured server.
 *
 * /proc/PID/stat counts CPU in ticks of 10 ms, which is 5 % of what 2,000 registrations take; the
 * process's CPU clock is the same account in nanoseconds.  stat gives the split into user and
 * system, and the two must agree.  VmRSS in /proc/PID/status is a sum of counters that threads
 * update in batches; smaps_rollup counts pages.
 */
#include "procfs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define TICKS_LOST 3 /* by rounding of what stat tells */

static int complain(const struct procfs *p, const char *what, int err)
{
	fprintf(stderr, "loadgen: process %d: %s: %s\n", (int)p->pid, what, strerror(err));
	return -err;
}

static int slurp(const struct procfs *p, const char *name, char *text, size_t room)
{
	char path[64];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)p->pid, name);
	if ((f = fopen(path, "re")) == NULL)
		return complain(p, name, errno == ENOENT ? ESRCH : errno);
	n = fread(text, 1, room - 1, f);
	text[n] = '\0';
	if (ferror(f) || n == 0) {
		fclose(f);
		return complain(p, name, ESRCH);
	}
	fclose(f);
	return 0;
}

/* Fields 14, 15 and 22 of proc(5)'s stat; the name in field 2 may hold anything but ends at the
 * last parenthesis. */
static int read_stat(const struct procfs *p, uint64_t *user, uint64_t *sys, uint64_t *born)
{
	char text[1024];
	const char *rest;
	int r;

	if ((r = slurp(p, "stat", text, sizeof(text))) < 0)
		return r;
	rest = strrchr(text, ')');
	if (rest == NULL || sscanf(rest + 1,
	                           " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64
	                           " %" SCNu64 " %*s %*s %*s %*s %*s %*s %" SCNu64,
	                           user, sys, born) != 3)
		return complain(p, "stat is not as expected", EBADMSG);
	return 0;
}

static int read_rss(const struct procfs *p, uint64_t *kib)
{
	char text[4096];
	const char *at;
	int r;

	if ((r = slurp(p, "smaps_rollup", text, sizeof(text))) < 0)
		return r;
	at = strstr(text, "\nRss:");
	if (at == NULL || sscanf(at + 5, "%" SCNu64 " kB", kib) != 1)
		return complain(p, "smaps_rollup is not as expected", EBADMSG);
	return 0;
}

int procfs_open(struct procfs *p, pid_t pid)
{
	uint64_t user, sys;
	int r;

	p->pid = pid;
	if ((r = clock_getcpuclockid(pid, &p->clock)) != 0)
		return complain(p, "CPU clock", r);
	return read_stat(p, &user, &sys, &p->born);
}

static uint64_t clock_ms(const struct procfs *p, struct procfs_use *use)
{
	struct timespec ts;

	if (clock_gettime(p->clock, &ts) != 0)
		return 0;
	use->cpu_ns = (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
	return use->cpu_ns / NS_PER_MS;
}

int procfs_cpu(const struct procfs *p, struct procfs_use *use)
{
	uint64_t tick_ms = 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t user, sys, born, before, after;
	int r;

	before = clock_ms(p, use);
	if ((r = read_stat(p, &user, &sys, &born)) < 0)
		return r;
	after = clock_ms(p, use);
	if (born != p->born || after == 0)
		return complain(p, "has ended", ESRCH);
	use->user_ms = user * tick_ms;
	use->system_ms = sys * tick_ms;
	if (use->user_ms + use->system_ms + TICKS_LOST * tick_ms < before ||
	    use->user_ms + use->system_ms > after + TICKS_LOST * tick_ms)
		return complain(p, "CPU clock and /proc/PID/stat disagree", EIO);
	return 0;
}

int procfs_read(const struct procfs *p, struct procfs_use *use)
{
	int r;

	if ((r = procfs_cpu(p, use)) < 0)
		return r;
	return read_rss(p, &use->rss_kib);
}
