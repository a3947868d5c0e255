/*
 * Errands to the CA: a certificate, or the window in which to renew one.  Each is a client of its
 * own (acme.h) with the account of the store, so that a directory that has changed, an account that
 * was lost or a clock that was set needs no care of ours.
 */
#ifndef LETSENCRYPT_CA_H
#define LETSENCRYPT_CA_H

#include "certificate.h"
#include "settings.h"
#include "store.h"

struct ca;

int ca_open(struct ca **out);
void ca_close(struct ca *ca);
/* [any] What runs ends soon with -ECANCELED, and so does all that begins later. */
void ca_cancel(struct ca *ca);

/* What an errand needs, lent. */
struct ca_terms {
	const struct settings *settings;
	struct store *store;
	const struct acme_solver *solver;
	const X509 *replaces; /* that the CA may be told of, or NULL */
	struct nbs_host *host;
};

/* Worker.  A new certificate with a new key; the store is not touched but for the account.
 * *asked: the CA was asked for an order, however it ended. */
int ca_certificate(struct ca *ca, const struct ca_terms *terms, struct certificate **out,
                   bool *asked, struct failure *f);
/* Worker.  -ENOSYS: the CA has no such windows, or not for this one. */
int ca_window(struct ca *ca, const struct ca_terms *terms, const X509 *cert,
              struct acme_window *out, struct failure *f);

#endif
