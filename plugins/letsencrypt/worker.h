/*
 * The thread that keeps the certificate: it asks for one, renews it, and tries again what failed.
 * Everything that waits for a CA, a disk or a program happens on it; the daemon never waits for it
 * but in worker_stop().
 *
 *   renewal.c  when (nothing but arithmetic)       ca.c      what the CA is asked for
 *   served.c   what the daemon gets                status.c  what people are told
 */
#ifndef LETSENCRYPT_WORKER_H
#define LETSENCRYPT_WORKER_H

#include "challenges.h"
#include "metrics.h"
#include "served.h"
#include "settings.h"
#include "status.h"

struct worker;

/* What it works with; everything KEPT until worker_close(). */
struct worker_parts {
	struct nbs_host *host;
	struct challenges *challenges;
	struct served *served;
	struct metrics *metrics;
	struct status_board *board;
};

/* [main], in init(); the settings are GIVEN, and have names. */
int worker_open(struct worker **out, const struct worker_parts *parts, struct settings *settings);
void worker_close(struct worker *w);

/* [main] Serves what the store has, or a temporary certificate, and starts the thread.  Only a
 * thread that cannot be started is an error. */
int worker_start(struct worker *w);
/* [main] From its next step on; the settings are GIVEN. */
void worker_configure(struct worker *w, struct settings *settings);
/* [main] Asks for a new certificate now.  -EBUSY: that is what it does.  -EAGAIN: the clock is
 * wrong, so it would not.  -ESHUTDOWN. */
int worker_renew(struct worker *w);
/* [main] What it does breaks off, nothing new begins.  Comes before errand_cancel(). */
void worker_cancel(struct worker *w);
/* [main] The thread is gone when it returns. */
void worker_stop(struct worker *w);

#endif
