/*
 * Why something did not work, in one sentence for the log and for "netbird-signal cert status", and
 * when it is worth another try.
 */
#ifndef LETSENCRYPT_FAILURE_H
#define LETSENCRYPT_FAILURE_H

#include <stdint.h>

/* What kind of failure it is: how long to wait, and a label of a counter. */
enum failure_kind {
	FAILURE_NONE,
	FAILURE_NETWORK,     /* the CA cannot be reached, or does not answer as one */
	FAILURE_SERVER,      /* the CA has a problem of its own (5xx) */
	FAILURE_RATE_LIMIT,  /* it asks for patience (RFC 8555, 6.6) */
	FAILURE_REFUSED,     /* it does not want this order or account */
	FAILURE_CHALLENGE,   /* it did not see the challenge */
	FAILURE_UNREACHABLE, /* we do not see it ourselves: nothing was asked of the CA */
	FAILURE_HOOK,        /* the dns-01 program */
	FAILURE_STORAGE,     /* ssl-dir */
	FAILURE_LOCAL,       /* memory, randomness */
	FAILURE_KINDS
};

struct failure {
	enum failure_kind kind;
	uint64_t retry_after_s; /* the CA's own word (Retry-After); 0 without */
	/* "the CA refuses the order: ...: rejectedIdentifier"; a line of the log has room for it.
	 */
	char text[800];
};

/* Fills *f and returns `code`, a negative errno.  What a server sent is shown with control
 * characters replaced.  f->text may be an argument; retry_after_s becomes 0. */
int failure_set(struct failure *f, enum failure_kind kind, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* "network", "rate_limit", ...: the label of a counter. */
const char *failure_label(enum failure_kind kind);

#endif
