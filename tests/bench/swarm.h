/*
 * swarm.h - many peers on one thread: they register, send to each other, wait, and leave.
 *
 * Every call runs the event loop until what was asked for is complete, and fails if nothing
 * moves for `patience_ms`, if a peer loses its connection, or if a message arrives that was not
 * sent, arrives twice or is changed.  Errors are negative errno and already reported on stderr;
 * after one only swarm_free() may be called.
 */
#ifndef BENCH_SWARM_H
#define BENCH_SWARM_H

#include <stddef.h>
#include <stdint.h>

#include "hist.h"
#include "peer.h"

struct swarm;

struct swarm_options {
	struct peer_target target;
	unsigned peers;       /* the most that will join */
	size_t body;          /* bytes of a message's body */
	unsigned outstanding; /* messages, and registrations, in flight at once */
	unsigned patience_ms;
};

enum swarm_pairs {
	SWARM_RANDOM, /* sender and receiver at random, perhaps the same */
	SWARM_SELF    /* one peer after the other, each to itself */
};

struct swarm_load {
	enum swarm_pairs pairs;
	uint64_t messages;
	uint64_t at_most_ms; /* begin no more after this time */
};

struct swarm_result {
	uint64_t done; /* registered, or sent, answered and arrived */
	uint64_t ns;   /* from the first begun to the last complete */
};

/* -ENOMEM, or what epoll refuses. */
int swarm_new(struct swarm **s, const struct swarm_options *opt);
void swarm_free(struct swarm *s);

/* Peers connect and register until there are `upto` (at most opt.peers); ever the same ids. */
int swarm_join(struct swarm *s, unsigned upto, struct swarm_result *res);
/* A message counts when its Send was answered, where there are answers, and it has arrived.
 * Latency, from the call of Send to the arrival, is added to `latency`. */
int swarm_send(struct swarm *s, const struct swarm_load *load, struct hist *latency,
               struct swarm_result *res);
/* Answers PINGs and watches that all peers stay. */
int swarm_wait(struct swarm *s, unsigned ms);
/* All close their connections at once. */
void swarm_leave(struct swarm *s);

#endif
