/*
 * What a person may ask the worker about, told by it and read by the main thread.  Everything in it
 * is bounded and copied.
 */
#ifndef LETSENCRYPT_STATUS_H
#define LETSENCRYPT_STATUS_H

#include "certificate.h"
#include "settings.h"

#include <pthread.h>

enum status_phase {
	STATUS_WAITING,
	STATUS_WORKING, /* at the CA */
	STATUS_NO_CLOCK /* until the clock is set */
};

/* Of one failure in a row. */
struct status_failure {
	struct failure failure;
	unsigned n; /* in a row; 0: the last attempt was none, or went well */
	time_t at;
};

struct status {
	enum status_phase phase;
	char names[2048], challenges[64], directory[1025], folder[512];
	/* The certificate in use; `file`: it is stored. */
	bool has, file, temporary;
	char issuer[256];
	time_t not_before, not_after;
	time_t next_attempt; /* 0: not known */
	time_t last_success; /* 0: not yet */
	struct status_failure last;
	bool has_window;
	struct acme_window window;
};

struct status_board {
	pthread_mutex_t lock; /* a leaf */
	struct status status;
};

void status_open(struct status_board *b);
void status_close(struct status_board *b);
/* To change it: between these two, for a moment. */
struct status *status_lock(struct status_board *b);
void status_unlock(struct status_board *b);

/* The parts of it. */
void status_settings(struct status_board *b, const struct settings *s);
void status_certificate(struct status_board *b, const struct certificate *c, bool stored);

#endif
