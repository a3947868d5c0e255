/*
 * ACME (RFC 8555): one client of one CA.
 *
 *   base64url.c   RFC 4648, 5, without padding
 *   jws.c         signed requests (RFC 7515; ES256, RS256; HS256 for external accounts)
 *   dates.c       dates of HTTP and of JSON, Retry-After
 *   web.c         HTTPS by libcurl: size, time and redirects bounded, and it can be cancelled
 *   problem.c     problem documents (RFC 8555, 6.7) in words
 *   acme.c        directory, nonces, one signed request with its answer
 *   account.c     newAccount, external account binding (7.3.4), its address for mail
 *   issuance.c    from an order to its certificate: finalization, download
 *   order.c       one order, and how far the CA is with it
 *   authorization.c  one authorization with its challenges
 *   pace.c        how often it is asked how far the CA is
 *   ari.c         renewal information (RFC 9773)
 *
 * Everything runs on the worker's thread, blocks, and returns 0 or a negative errno with *f filled;
 * -ECANCELED after acme_cancel(), which is no failure: FAILURE_NONE.  Nothing here writes a log
 * line or a file.
 */
#ifndef LETSENCRYPT_ACME_H
#define LETSENCRYPT_ACME_H

#include "failure.h"

#include <openssl/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct acme;

/* [main], in init(), before all else here: what libcurl needs once in a process.  May be called
 * again.  -ENOSYS: this libcurl does not say that it can do that beside other threads. */
int acme_prepare(void);

/* What one client needs; everything is KEPT until acme_close(). */
struct acme_settings {
	const char *directory_url; /* "https://..." */
	const char *ca_file;       /* PEM of who may sign the CA's own HTTPS; NULL: the system's */
	const char *email;         /* NULL: none */
	const char *profile;       /* NULL: the CA's default */
	const char *eab_kid, *eab_key; /* external account, the key in base64url; NULL: none */
	EVP_PKEY *account_key;
	/* As acme_account_url() and acme_account_email() said once; NULL: not known. */
	const char *account_url, *account_email;
	unsigned timeout_s; /* of one request */
};

int acme_open(struct acme **out, const struct acme_settings *settings, struct failure *f);
void acme_close(struct acme *acme);
/* [any] What runs ends soon with -ECANCELED, and so does all that begins later. */
void acme_cancel(struct acme *acme);

/* Finds the account, or makes it: only a URL that is not known costs a request.  If the CA no
 * longer knows the account (accountDoesNotExist), acme_order() makes it anew once. */
int acme_account(struct acme *acme, struct failure *f);
/* NULL before acme_account(). */
const char *acme_account_url(const struct acme *acme);
/* After acme_account(): tells the CA an address that is another than the account's (7.3.2). */
int acme_contact(struct acme *acme, struct failure *f);
/* What the account has; "": none; NULL: not known. */
const char *acme_account_email(const struct acme *acme);

enum acme_kind { ACME_DNS, ACME_IP };

struct acme_identifier {
	enum acme_kind kind;
	const char *value; /* "signal.example.org", "*.example.org", "192.0.2.1", "2001:db8::1" */
};

/* A challenge as its solver sees it. */
struct acme_challenge {
	const char *type;                  /* "http-01" */
	struct acme_identifier identifier; /* of a wildcard: without "*." */
	const char *token;
	const char *key_authorization; /* RFC 8555, 8.1 */
};

/* Who makes challenges true. */
struct acme_solver {
	/* One authorization's challenges.  *chosen is set and stands for the CA to see.  An error
	 * ends the order; nothing is left behind. */
	int (*begin)(void *arg, const struct acme_challenge *offered, size_t n, size_t *chosen,
	             struct failure *f);
	/* All that was chosen stands, and the CA is told next: waits until the CA can see it.  An
	 * error ends the order.  NULL: there is nothing to wait for. */
	int (*settle)(void *arg, struct failure *f);
	/* The CA has looked, or never will; exactly once for each begin() that returned 0. */
	void (*end)(void *arg, const struct acme_challenge *challenge, bool valid);
	void *arg;
};

struct acme_order {
	const struct acme_identifier *identifiers;
	size_t n_identifiers;
	const unsigned char *csr; /* DER */
	size_t csr_len;
	const char *replaces; /* acme_ari_id() of the certificate it renews, or NULL */
	unsigned timeout_s;   /* for the CA's validation, and again for its issuance */
};

/* A certificate: *chain is PEM, ended by NUL, to be freed.  Authorizations that are valid already
 * are not solved again; all challenges stand before the CA is told of the first. */
int acme_order(struct acme *acme, const struct acme_order *order, const struct acme_solver *solver,
               char **chain, struct failure *f);

/* RFC 9773, 4.1: what names a certificate.  -EINVAL: it has no authority key identifier. */
int acme_ari_id(const X509 *cert, char *id, size_t size);

struct acme_window {
	time_t start, end;      /* renew at a random moment in between */
	uint64_t retry_after_s; /* ask again then; between a minute and a day */
	char explanation[256];  /* a URL for people, or "" */
};
/* -ENOSYS: the CA offers none. */
int acme_renewal_info(struct acme *acme, const char *ari_id, struct acme_window *out,
                      struct failure *f);

#endif
