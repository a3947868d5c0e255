/* One order (RFC 8555, 7.1.3): how it is placed, and how far the CA is with it. */
#ifndef LETSENCRYPT_ORDER_H
#define LETSENCRYPT_ORDER_H

#include "authorization.h"

/* In the order in which a CA goes through them. */
enum order_state { ORDER_PENDING, ORDER_READY, ORDER_PROCESSING, ORDER_VALID };

struct order {
	struct acme *acme;
	const struct acme_order *wish;      /* what is asked for */
	char *url, *finalize, *certificate; /* the last one NULL until it is issued */
	enum order_state state;
	struct authorization *authorizations;
	size_t n;
};

/* *o has its first two members.  It is to be freed in each case. */
int order_place(struct order *o, struct failure *f);
void order_free(struct order *o);

/* What the CA says of it: the state, and the certificate's URL.  An invalid one is a failure. */
int order_read(struct order *o, const json_t *json, struct failure *f);
/* Asks how far it is. */
int order_look(struct order *o, struct pace *pace, struct failure *f);
/* Asks until it has got that far. */
int order_await(struct order *o, enum order_state state, struct pace *pace, struct failure *f);

#endif
