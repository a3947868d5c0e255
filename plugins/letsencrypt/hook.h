/*
 * Runs a program of the administrator's and waits for it, on the worker's thread.  It is started
 * with posix_spawn(), so that nothing of this process (locks of gRPC's threads, descriptors, signal
 * masks) is in it; it has a session of its own, "/" as its folder, nothing to read, and PATH and
 * HOME as its environment.  What it writes comes into the log: standard output as information,
 * standard error as warnings, up to a bound.
 */
#ifndef LETSENCRYPT_HOOK_H
#define LETSENCRYPT_HOOK_H

#include "cancel.h"

#include <netbird-signal/plugin.h>

struct hook {
	struct nbs_host *host;
	const char *const *argv; /* the program's path first, NULL at the end */
	const char *name;        /* for the log: "hook=begin domain=signal.example.org" */
	int64_t timeout;         /* ms */
	const struct cancel *cancel;
	int64_t grace; /* ms after the mark was set in which it may still run */
};

/*
 * 0: it ended with status 0.  -EIO: with another, or by a signal of somebody's.  -ETIMEDOUT,
 * -ECANCELED, -EFBIG (it writes without end): it was ended, with all processes of its group.
 * Another negative errno: it was not started.  `why` says what happened, with its last line.
 * Processes that it leaves in the background go on and are not waited for.
 */
int hook_run(const struct hook *hook, char *why, size_t size);

#endif
