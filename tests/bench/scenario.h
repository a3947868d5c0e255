/*
 * scenario.h - what is measured, in which order.  Each prints a table and one line
 * `result key=value ...` for each server or round on stdout.
 * Errors are negative errno and already reported on stderr.
 */
#ifndef BENCH_SCENARIO_H
#define BENCH_SCENARIO_H

#include <sys/types.h>

#include "swarm.h"

#define SCENARIO_SERVERS 2

struct scenario_server {
	struct peer_target target;
	pid_t pid;
};

struct scenario {
	struct scenario_server servers[SCENARIO_SERVERS];
	unsigned n_servers;
	struct swarm_options swarm; /* without its target */
	uint64_t messages;          /* to send in the measured phase */
	uint64_t at_most_ms;        /* for the measured phase */
	unsigned hold_ms;           /* how long peers stay idle */
	unsigned leave_ms;          /* how long to watch memory after they left */
	unsigned leave_kib;         /* what may remain of a departed peer */
	unsigned rounds;
	unsigned early, window; /* see scenario_accept() */
};

/* Register, idle, messages, on each server; two servers take turns in small slices, so that
 * whatever else the machine does falls on both. */
int scenario_measure(const struct scenario *sc);
/* One server.  Register, idle for hold_ms, one message from each to itself, leave. */
int scenario_hold(const struct scenario *sc);
/* One server.  Register, messages, leave, `rounds` times. */
int scenario_rounds(const struct scenario *sc);
/* Two servers in turns.  How fast `window` peers connect and register: at the first while about
 * `early` are there, at the second while about swarm.peers are, from half a window below that to
 * half a window above. */
int scenario_accept(const struct scenario *sc);

#endif
