/*
 * run.h - one server under one swarm: the phases that scenarios are made of, each of which adds
 * its figures to the run.  One thread.  Errors are negative errno and already reported on stderr.
 */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "procfs.h"
#include "scenario.h"
#include "swarm.h"

struct run {
	const struct scenario *sc;
	const char *transport;
	struct swarm *swarm;
	struct procfs proc;
	struct hist latency; /* of the messages sent since the last run_greet() */
	struct procfs_use start, idle, loaded, left;
	unsigned joined;
	uint64_t join_ns;
	uint64_t sent, sent_ns, own_cpu_ns; /* own: this process's */
	struct procfs_use sending;          /* what the server used while messages were sent */
	double left_s; /* until no more than leave_kib of each peer was left; -1: it never was */
};

int run_open(struct run *run, const struct scenario *sc, const struct scenario_server *server);
void run_close(struct run *run);

/* Waits until the server has finished what was asked of it, then reads what it has used. */
int run_settle(struct run *run, struct procfs_use *use);
/* `count` more peers register. */
int run_join(struct run *run, unsigned count);
/* Each peer sends itself a message, which is not counted: it fills tables on both sides. */
int run_greet(struct run *run);
int run_send(struct run *run, uint64_t messages, uint64_t at_most_ms);
/* All leave; waits, at most leave_ms, until memory is below start and leave_kib and falls no
 * more. */
int run_leave(struct run *run);

/* After run_leave(): the same run from the beginning, on the server as it is now.  start stays. */
void run_forget(struct run *run);

/* The figures. */
double run_kib(const struct run *run, const struct procfs_use *use); /* above start, per peer */
double run_join_cpu_us(const struct run *run);
double run_joins_per_s(const struct run *run);
double run_send_cpu_us(const struct run *run);
double run_sends_per_s(const struct run *run);
double run_latency_us(const struct run *run, double quantile);

#endif
