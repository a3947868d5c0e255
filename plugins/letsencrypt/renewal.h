/*
 * When a certificate is to be renewed, and when what failed is tried again.  Nothing here looks at
 * a clock or waits; `random` is a number from 0 up to 1.
 */
#ifndef LETSENCRYPT_RENEWAL_H
#define LETSENCRYPT_RENEWAL_H

#include "acme.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* How often it may be tried, in milliseconds. */
struct renewal_policy {
	int64_t retry_min, retry_max;
};

/* Without a word of the CA's: with a third of the lifetime left, and up to a fiftieth of it
 * earlier, so that certificates that were issued together are not renewed together. */
time_t renewal_due(time_t not_before, time_t not_after, double random);
/* A moment in the CA's window (RFC 9773, 4.2).  false: the window makes no sense for a certificate
 * that ends at not_after. */
bool renewal_moment(const struct acme_window *window, time_t not_after, double random, time_t *out);
/* When the window is asked for again, in milliseconds: as the CA says, at most `check`. */
int64_t renewal_ask_again(uint64_t retry_after_s, int64_t check, double random);

/* How long to wait after the n-th failure in a row (1: the first), in milliseconds. */
int64_t renewal_wait(const struct renewal_policy *policy, const struct failure *f, unsigned n,
                     double random);

/* How pressing it is that a certificate is renewed at last. */
enum renewal_alarm { ALARM_NONE, ALARM_SOON, ALARM_NOW, ALARM_EXPIRED };
enum renewal_alarm renewal_alarm(time_t not_before, time_t not_after, time_t now);

/* A clock that says less has never been set: this code is younger. */
bool renewal_clock_is_wrong(time_t now);
/* Clocks of CAs and ours may differ by so much, in seconds. */
#define RENEWAL_SLACK 300

#endif
