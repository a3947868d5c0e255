/*
 * The registry: which lease holds which id.  Read far more than written: a table in shards, each
 * under a read-write lock, so that readers never wait for each other.
 *
 * Locks, in this order: shard (write) -> peer->lock -> watch, grace or asking list.  None is
 * held while a callback of a plugin runs.
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include <netbird-signal/plugin.h>

#include <stdatomic.h>
#include <stdbool.h>

struct drops;
struct message;
struct metrics;
struct registry;

/* [peers] of the configuration; times in milliseconds. */
struct registry_settings {
	size_t mailbox_messages, mailbox_bytes, mailbox_total_bytes;
	uint64_t send_timeout, grace_period, admission_timeout;
	uint64_t replace_burst; /* 0: no limit */
	uint64_t replace_interval;
};

int registry_open(struct registry **out, const struct registry_settings *settings,
                  struct metrics *metrics, struct drops *drops);
/* [main] After all leases have been given back; what is in its grace period is dropped. */
void registry_close(struct registry *r);
/* [main] New settings, for everything that happens from now on. */
void registry_configure(struct registry *r, const struct registry_settings *settings);

/* [main] before anything runs.  -EEXIST: ops and self are there already.  -ENOMEM. */
int registry_add_admission(struct registry *r, const struct nbs_admission_ops *ops, void *self);
/* [any] nbs_host.admission_decide */
void registry_admission_decide(struct nbs_admission *ask, int verdict, const char *why);

/* [any] nbs_host.peer_register; `owner` is counted up until the lease is given back. */
int registry_register(struct registry *r, atomic_uint *owner, const char *id, size_t len,
                      const struct nbs_peer_ops *ops, void *cookie, struct nbs_peer **lease);
/* [any] nbs_host.peer_refused */
void registry_count_refused(struct registry *r, enum nbs_refusal why);
/* [any] nbs_host.peer_take and peer_deregister */
struct message *registry_take(struct nbs_peer *lease);
void registry_deregister(struct nbs_peer *lease);

/*
 * [any] Queues msg (GIVEN on 0) in the mailbox of the peer that it names.  -ENOENT: nobody holds
 * the id; -ENOBUFS: dropped for lack of room, counted.
 */
int registry_deliver(struct registry *r, struct message *msg);

/* [main] Called every registry_tick_ms(): stalled peers, ends of grace periods, verdicts that
 * never came. */
void registry_tick(struct registry *r, uint64_t now_ms);
unsigned registry_tick_ms(const struct registry *r);
/* [main] Hangs up every lease with NBS_STOPPING; no id is registered any more. */
void registry_stop(struct registry *r);

#endif
