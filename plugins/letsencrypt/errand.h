/*
 * What the worker needs done on the main thread, where certificates are given to the daemon: it
 * waits until it is done, or until nobody waits any more because the daemon stops.
 */
#ifndef LETSENCRYPT_ERRAND_H
#define LETSENCRYPT_ERRAND_H

struct errand;
struct nbs_host;

/* [main] */
int errand_open(struct errand **out, struct nbs_host *host);
void errand_close(struct errand *e);
/* On the main thread: calls it.  On the worker's, the only other that may: has it called there and
 * returns what it returned, -ENOMEM, or -ECANCELED if it was not and never will be called. */
int errand_run(struct errand *e, int (*fn)(void *arg), void *arg);
/* [main] Whoever waits for main need not any more, and all later errands are refused: the main
 * thread can wait for the worker after it. */
void errand_cancel(struct errand *e);

#endif
