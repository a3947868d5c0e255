/* One authorization of an order (RFC 8555, 7.5): its challenges, and how far the CA is. */
#ifndef LETSENCRYPT_AUTHORIZATION_H
#define LETSENCRYPT_AUTHORIZATION_H

#include "acme_private.h"
#include "pace.h"

/* More challenges than these are not offered to the solver. */
#define AUTHORIZATION_CHALLENGES 16

struct authorization {
	char *url;
	bool pending, valid;               /* as it was last seen */
	bool begun;                        /* the solver is owed an end */
	struct acme_identifier identifier; /* borrowed from the order */
	/* Copies: all that an answer may hold beside them is not kept for each authorization. */
	struct acme_challenge offered[AUTHORIZATION_CHALLENGES];
	struct authorization_task {
		char *url;
		bool told; /* the CA looks at it already */
	} tasks[AUTHORIZATION_CHALLENGES];
	size_t n, chosen;
};

void authorization_free(struct authorization *a);

/* Reads it for the first time.  It must be for one of the order's identifiers. */
int authorization_read(struct acme *acme, struct authorization *a, const struct acme_order *order,
                       struct failure *f);
/* Its challenge is made true. */
int authorization_begin(struct authorization *a, const struct acme_solver *solver,
                        struct failure *f);
/* The CA may look. */
int authorization_answer(struct acme *acme, const struct authorization *a, struct failure *f);
/* How far the CA is: a->pending.  An invalid one is a failure. */
int authorization_look(struct acme *acme, struct authorization *a, struct pace *pace,
                       struct failure *f);
/* We give up; what the CA says to that does not matter: a negative errno only if it cannot be
 * asked. */
int authorization_abandon(struct acme *acme, const struct authorization *a);
/* The solver's end, if it is owed. */
void authorization_end(struct authorization *a, const struct acme_solver *solver);

#endif
