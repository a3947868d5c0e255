/*
 * The certificate and what is to be done about it, one step at a time.  Nothing here waits for
 * anything but the errand of the step.
 */
#ifndef LETSENCRYPT_KEEPER_H
#define LETSENCRYPT_KEEPER_H

#include "worker.h"

struct keeper;

int keeper_open(struct keeper **out, const struct worker_parts *parts, struct settings *settings);
void keeper_close(struct keeper *k);

/* [main] Serves what there is: the stored certificate, or a temporary one. */
void keeper_begin(struct keeper *k);
/* Worker, as the following.  The settings are GIVEN. */
void keeper_configure(struct keeper *k, struct settings *settings);
/* Does what is due, or (now) gets a new certificate whether it is due or not.  Returns after how
 * many milliseconds at most the next step is wanted. */
int64_t keeper_step(struct keeper *k, bool now);
/* [any] The step at work ends soon, and no later one does anything. */
void keeper_cancel(struct keeper *k);

#endif
