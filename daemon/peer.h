/*
 * One lease: a registered connection's mailbox and the events that its transport is owed.  The
 * registry decides which lease holds an id; this is what happens inside one.
 *
 * Locks  peer->lock is a leaf but for the registry's list locks.  It is never held while a
 *        callback runs: `draining` says that somebody is delivering events, and only one is.
 */
#ifndef PEER_H
#define PEER_H

#include "mailbox.h"

#include <netbird-signal/plugin.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct registry;

enum peer_state {
	PEER_ASKING, /* a plugin has not decided yet */
	PEER_LIVE,   /* holds its id */
	PEER_GRACE,  /* its connection has ended; the mailbox waits for the next lease */
	PEER_GONE    /* replaced, refused or ended */
};

struct nbs_peer {
	struct registry *registry;
	atomic_uint refs;
	atomic_uint *owner; /* counts the leases of the plugin that registered it */

	/* Under the lock of its shard. */
	struct nbs_peer *chain; /* the next one in its bucket */
	uint64_t hash;
	enum peer_state state;
	uint64_t replace_debt_ms; /* when the last allowed replacement will be forgiven */
	uint64_t requested_ns, registered_ns;

	/* The registry's lists, under their locks. */
	struct nbs_peer *prev, *next; /* grace periods or undecided admissions */
	uint64_t deadline_ms;
	bool listed;
	struct nbs_peer *watch_next; /* non-empty mailboxes */
	struct nbs_peer *batch_next; /* main thread only */
	size_t admission_step;       /* whoever asks or decides; one at a time */

	/* Under `lock`. */
	pthread_mutex_t lock;
	pthread_cond_t drained;
	const struct nbs_peer_ops *ops;
	void *cookie;
	pthread_t drainer;
	bool draining, detached, hung_up;
	bool closed;  /* the mailbox has moved on; deliver elsewhere */
	bool awake;   /* woken, and peer_take() has not returned NULL since */
	bool watched; /* on the registry's watch list */
	unsigned char pending;
	int verdict;
	const char *why;
	enum nbs_reason reason;
	uint64_t progress_ms; /* when a message was taken last, or the first one came */
	struct mailbox box;

	size_t id_len;
	char id[];
};

/* A lease with one reference, or NULL when out of memory. */
struct nbs_peer *peer_new(struct registry *registry, const char *id, size_t len,
                          const struct nbs_peer_ops *ops, void *cookie);
struct nbs_peer *peer_ref(struct nbs_peer *p);
void peer_unref(struct nbs_peer *p);

/* [any] Queues the events and delivers them, unless somebody else is at it. */
void peer_raise_verdict(struct nbs_peer *p, int verdict, const char *why);
/* Returns whether this was the first hang-up. */
bool peer_raise_hangup(struct nbs_peer *p, enum nbs_reason reason);
/* Queues the verdict 0 without delivering it: for use under the shard's lock, before anybody can
 * find the lease, so that no wake overtakes it.  `box` becomes the head of its mailbox.  Returns
 * whether the lease has to go on the watch list now. */
bool peer_prepare(struct nbs_peer *p, struct mailbox *box);
void peer_deliver(struct nbs_peer *p);

/*
 * [any] Queues msg (GIVEN on 0).  *watch: it has to go on the watch list now.  -ESTALE: the
 * mailbox has moved on; -ENOBUFS as mailbox_push().
 */
int peer_push(struct nbs_peer *p, const struct mailbox_bounds *bounds,
              struct mailbox_budget *budget, struct message *msg, struct mailbox_dropped *dropped,
              bool *watch);
/* The next message, GIVEN, or NULL; then the next push wakes again. */
struct message *peer_take(struct nbs_peer *p, struct mailbox_budget *budget);
/* Whether it was hung up as NBS_STALLED. */
bool peer_was_stalled(struct nbs_peer *p);
/* Takes the whole mailbox out and closes it. */
struct mailbox peer_close_mailbox(struct nbs_peer *p);

enum peer_progress {
	PEER_IDLE,    /* empty, or nobody to wait for: off the watch list, `watched` is cleared */
	PEER_WAITING, /* not empty, but not for long enough */
	PEER_STUCK    /* nothing taken since before `since_ms`; `watched` is cleared */
};
enum peer_progress peer_check_progress(struct nbs_peer *p, uint64_t since_ms);

/* The barrier of nbs_host.peer_deregister. */
void peer_detach(struct nbs_peer *p);

#endif
