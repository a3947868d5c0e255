/* Between challenges.c and what it chooses from.  Everything but the route's handler runs on the
 * worker's thread. */
#ifndef LETSENCRYPT_CHALLENGES_PRIVATE_H
#define LETSENCRYPT_CHALLENGES_PRIVATE_H

#include "cancel.h"
#include "challenges.h"

/* --- http01.c -------------------------------------------------------------------------------- */
struct http01;

#define HTTP01_PATH "/.well-known/acme-challenge/"
#define HTTP01_TOKENS 100 /* that are served at once */

/* [main], in init(). */
int http01_open(struct http01 **out, struct nbs_host *host);
void http01_close(struct http01 *h);
/* -EINVAL: the token cannot be part of a path; -ENOBUFS: too many. */
int http01_add(struct http01 *h, const char *token, const char *key_authorization);
void http01_remove(struct http01 *h, const char *token);

/* --- tlsalpn01.c ----------------------------------------------------------------------------- */
#define TLSALPN01_PROTOCOL "acme-tls/1"

int tlsalpn01_begin(const struct challenges_tls *tls, const struct acme_challenge *c,
                    struct failure *f);
void tlsalpn01_end(const struct challenges_tls *tls, const struct acme_challenge *c);

/* --- dns01.c --------------------------------------------------------------------------------- */
struct dns01 {
	struct nbs_host *host;
	const struct challenges_settings *settings;
	const struct cancel *cancel;
};

/* The record is set.  -ECANCELED or -EIO with *f; nothing is left to end. */
int dns01_begin(const struct dns01 *d, const struct acme_challenge *c, struct failure *f);
void dns01_end(const struct dns01 *d, const struct acme_challenge *c, bool valid);
/* Whether a hook can be run: 0, or a negative errno with what is wrong with it. */
int dns01_check(const char *hook, char *why, size_t size);

/* --- selfcheck.c, selfcheck_tls.c ------------------------------------------------------------ */
#define SELFCHECK_WHY 700

/* One question of this server to itself. */
struct selfcheck {
	const struct challenges_settings *settings;
	const struct cancel *cancel;
	const struct acme_challenge *challenge;
	char why[SELFCHECK_WHY]; /* what was asked, what came, what to do: one sentence */
};

/* 0: it is seen.  -EHOSTUNREACH: it is not, with a sentence.  -ECANCELED.  -ENOMEM. */
int selfcheck_http(struct selfcheck *s);
int selfcheck_tls(struct selfcheck *s);

#endif
