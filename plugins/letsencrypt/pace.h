/* How often a CA is asked how far it is: as it says (Retry-After), otherwise less and less often,
 * until a deadline. */
#ifndef LETSENCRYPT_PACE_H
#define LETSENCRYPT_PACE_H

#include "web.h"

struct pace {
	uint64_t end_ms; /* CLOCK_MONOTONIC */
	unsigned step;
	unsigned failed;   /* requests, one after the other */
	uint64_t asked_ms; /* the longest Retry-After since the last wait, or 0 */
};

void pace_begin(struct pace *p, unsigned timeout_s);
/* What an answer said: the next wait is as long as that, within bounds. */
void pace_hear(struct pace *p, const struct web_answer *answer);
/* A request has failed with `r`.  0: it is worth another, because the CA works on; otherwise r. */
int pace_forgive(struct pace *p, int r, const struct failure *f);
/* Waits.  -ETIMEDOUT: the deadline has passed, *f is not set; -ECANCELED. */
int pace_wait(struct pace *p, struct web *web, struct failure *f);

#endif
