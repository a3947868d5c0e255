/*
 * A bounded queue of messages for one peer, and the budget that all mailboxes share.  A mailbox
 * has no lock: its owner (peer.c) holds one.  The budget is [any] and lock-free.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct message;

struct mailbox_budget {
	_Atomic size_t used, max; /* bytes */
	_Atomic size_t messages;
};

struct mailbox_bounds {
	size_t messages, bytes;
};

struct mailbox {
	struct message *oldest, *newest;
	size_t bytes;
	unsigned count;
};

/* A list of messages that fell out; linked by `next`, oldest first. */
struct mailbox_dropped {
	struct message *first, *last;
	unsigned overflow; /* how many of them for this mailbox's own bounds */
	unsigned budget;   /* and how many because all mailboxes together were full */
};

/*
 * Appends msg (GIVEN on 0).  What has to go for it, oldest first, is added to *dropped.  A lone
 * message always fits the mailbox's own bounds.  -ENOBUFS: the budget is used up by others and
 * there was nothing left here to drop; msg stays the caller's.
 */
int mailbox_push(struct mailbox *box, const struct mailbox_bounds *bounds,
                 struct mailbox_budget *budget, struct message *msg,
                 struct mailbox_dropped *dropped);
/* The oldest message, GIVEN to the caller, or NULL. */
struct message *mailbox_pop(struct mailbox *box, struct mailbox_budget *budget);
/* Appends everything in `from` to `to`, which keeps its order; the budget does not change. */
void mailbox_move(struct mailbox *to, struct mailbox *from);
/* Drops what a list holds; returns how many there were. */
unsigned mailbox_free_dropped(struct mailbox_dropped *dropped);

#endif
