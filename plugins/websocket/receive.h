/*
 * The messages that are half here, of all light peers: how much memory they may take together,
 * and how long each may take.  A thread of its own looks for those that are late.
 *
 * The lock guards the list, the sum and the buffers of every peer that has begun a message, so
 * that whoever needs room can free the oldest one's at once.  With it held only ws_wake() is
 * called.
 */
#ifndef RECEIVE_H
#define RECEIVE_H

#include "assemble.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct half;
struct nbs_host;
struct nbs_ws;

struct receive {
	struct nbs_host *host;
	size_t max_message, memory; /* bytes: of one message, of all buffers together */
	int64_t timeout;            /* milliseconds for one message */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct half *oldest, *newest; /* by their beginnings, so by their deadlines too */
	size_t used;                  /* the buffers' sizes */
	bool quit;
	bool idle; /* the thread waits for a first half message, and has to be told of it */
	int64_t complained;
	pthread_t thread;
};

/* One peer's share; begins as all zeros but for `ws`. */
struct half {
	struct nbs_ws *ws;
	bool begun; /* of the WebSocket's thread: only then may others touch what follows */
	struct assembly assembly;
	struct half *older, *newer;
	bool listed;
	int64_t deadline;
	atomic_int lost;
};

/* [main] */
void receive_open(struct receive *r, struct nbs_host *host, size_t max_message, size_t memory,
                  int64_t timeout);
void receive_close(struct receive *r);
/* [main] The thread; nothing is late before it runs, nor after it. */
int receive_start(struct receive *r);
void receive_stop(struct receive *r);

/*
 * [conn] As assemble_piece(); and -ETIMEDOUT or -ENOBUFS if the message that this piece belongs to
 * was given up, being late or the oldest when there was no memory.  When it is, ws_wake() is
 * called.  After all but 0 receive_reset() is due.
 */
int receive_piece(struct receive *r, struct half *h, const void *bytes, size_t len, unsigned flags,
                  struct iovec message[static ASSEMBLE_PARTS]);
void receive_reset(struct receive *r, struct half *h);
/* [conn] 0, or the error with which the half message was given up. */
int receive_lost(const struct half *h);

#endif
