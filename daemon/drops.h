/*
 * Messages that were accepted but will never arrive: counted by reason, and told to the log when
 * a reason begins to bite and when it has stopped, never once per message.
 */
#ifndef DROPS_H
#define DROPS_H

#include <stddef.h>
#include <stdint.h>

enum drops_reason {
	DROPS_MAILBOX, /* the receiver's mailbox was full: its oldest went */
	DROPS_BUDGET,  /* all mailboxes together were full */
	DROPS_GRACE,   /* nobody took the mailbox over within the grace period */
	DROPS_STALLED, /* the same, after the receiver had been cut off as stalled */
	DROPS_CLOSED,  /* the receiver left and there is no grace period, or the daemon stopped */
	DROPS_REASONS
};

struct drops;
struct metrics;

int drops_open(struct drops **out, struct metrics *metrics);
void drops_close(struct drops *d);
/* [any] n messages for the peer `id` were dropped. */
void drops_count(struct drops *d, enum drops_reason reason, unsigned n, const char *id, size_t len);
/* [any] A message found nobody of its receiver's id; counted only, any client can cause it. */
void drops_count_absent(struct drops *d);
/* [main] Says which reasons have ended. */
void drops_tick(struct drops *d, uint64_t now_ms);

#endif
