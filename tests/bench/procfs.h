/*
 * procfs.h - what another process has used: its CPU time and resident memory.
 * One thread.  Errors are negative errno and already reported on stderr.
 */
#ifndef BENCH_PROCFS_H
#define BENCH_PROCFS_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct procfs {
	pid_t pid;
	clockid_t clock;
	uint64_t born; /* start time in ticks: tells a reused pid */
};

struct procfs_use {
	uint64_t cpu_ns;    /* all threads, also ended ones, user and system */
	uint64_t user_ms;   /* of that, user; in steps of a tick (10 ms) */
	uint64_t system_ms; /* of that, system; in steps of a tick */
	uint64_t rss_kib;   /* resident, counted page by page */
};

/* -ESRCH: there is no such process. */
int procfs_open(struct procfs *p, pid_t pid);
/* CPU time only; rss_kib is left as it is.  -ESRCH: it is gone. */
int procfs_cpu(const struct procfs *p, struct procfs_use *use);
/* Both.  Costs the caller some milliseconds, and the process none. */
int procfs_read(const struct procfs *p, struct procfs_use *use);

#endif
