/* Problem documents (RFC 7807; RFC 8555, 6.7): what a CA says that it does not like. */
#ifndef LETSENCRYPT_PROBLEM_H
#define LETSENCRYPT_PROBLEM_H

#include "failure.h"

#include <jansson.h>

#define PROBLEM_TYPE_MAX 48
#define PROBLEM_TEXT_MAX 400

struct problem {
	char type[PROBLEM_TYPE_MAX]; /* the last word of its type: "rateLimited"; "" */
	char text[PROBLEM_TEXT_MAX]; /* type and detail, then those of its subproblems; "" */
	unsigned status;             /* that it names, or 0 */
};

/* `json` may be anything, or NULL. */
void problem_read(struct problem *p, const json_t *json);

/* Fills *f from a problem that came with this status (0: the one it names), and returns its
 * negative errno.  `what` was asked for, `host` was asked. */
int problem_fail(struct failure *f, const struct problem *p, unsigned status, const char *what,
                 const char *host);

#endif
