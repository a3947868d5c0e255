/*
 * The certificates that this plugin gives to the daemon: the real one, the temporary one that it
 * signs itself, and those of challenges.  From the main thread or the worker's; -ECANCELED when the
 * daemon stops.
 */
#ifndef LETSENCRYPT_SERVED_H
#define LETSENCRYPT_SERVED_H

#include "certificate.h"
#include "challenges.h"
#include "errand.h"

struct served {
	struct nbs_host *host;
	struct errand *errand;
	bool temporary; /* only that one is served */
};

/* The temporary one goes, if there is one. */
int served_certificate(struct served *s, const struct certificate *c);
/* For these names, until there is a real one. */
int served_temporary(struct served *s, const struct acme_identifier *ids, size_t n);
/* For challenges_open(). */
struct challenges_tls served_challenges(struct served *s);

#endif
