/* What the parts of the keeper share. */
#ifndef LETSENCRYPT_KEEPER_PRIVATE_H
#define LETSENCRYPT_KEEPER_PRIVATE_H

#include "keeper.h"

#include "ca.h"
#include "renewal.h"
#include "when.h"

#include <netbird-signal/plugin.h>

#define KEEPER_NAMES 400 /* bytes of names in a line of the log */
#define KEEPER_UNSAVED "the certificate is in use, but was not stored"

struct keeper {
	const struct worker_parts *p;
	struct settings *settings;
	struct ca *ca;
	struct store *store; /* NULL: not open, for now */

	struct certificate *cert; /* in use, or NULL */
	bool unsaved;             /* it is in memory only */
	time_t due;               /* by its lifetime */

	bool has_window, offers_windows;
	struct acme_window window;
	time_t moment;     /* in it */
	int64_t ask_again; /* boot time */
	unsigned window_failures;
	bool keep_replaced; /* the CA refused an order that said what it replaces */

	unsigned failures; /* in a row */
	struct failure last;
	int64_t not_until; /* boot time, after a failure */
	unsigned hasty;    /* certificates in a row that were due at once */
	int64_t calm;      /* boot time; before it no further one of them is asked for */
	enum renewal_alarm alarm;

	int64_t offset;                           /* of the wall clock to boot time */
	bool clock_known, clock_wrong, too_early; /* the last two: said so */
};

/* keeper_time.c: clocks, and what they say of the certificate. */
int64_t keeper_boot_ms(void);
time_t keeper_wall(void);
double keeper_chance(void); /* from 0 up to 1 */
bool keeper_fits(const struct keeper *k);
/* When the certificate is to be renewed. */
time_t keeper_due_at(const struct keeper *k);
bool keeper_is_due(const struct keeper *k);
/* It is due, and not too soon after one that was due as soon as it came. */
bool keeper_may_renew(const struct keeper *k);
/* The next time that something is tried; 0: not known. */
time_t keeper_next_attempt(const struct keeper *k);
/* Whether the clock is wrong, was set, or is behind the certificate; each said once. */
void keeper_look_at_clock(struct keeper *k);
void keeper_look_at_start(struct keeper *k);

/* keeper_failure.c: what goes wrong, in words and waits. */
void keeper_failed(struct keeper *k, const char *what, const struct failure *f);
void keeper_recovered(struct keeper *k);
void keeper_raise_alarm(struct keeper *k);

/* keeper_certificate.c: the store, and what is served. */
void keeper_serve_temporary(struct keeper *k);
/* From now on new connections get it; GIVEN. */
int keeper_use(struct keeper *k, struct certificate *c, bool stored, struct failure *f);
int keeper_open_store(struct keeper *k, struct failure *f);
void keeper_close_store(struct keeper *k);
int keeper_save(struct keeper *k, struct failure *f);

/* keeper_renew.c: the CA. */
void keeper_ask_window(struct keeper *k);
void keeper_renew(struct keeper *k);

/* keeper.c: for people and metrics. */
void keeper_show(struct keeper *k, enum status_phase phase);

#endif
