/*
 * Making challenges true, and looking at them as the CA will.
 *
 *   challenges.c  chooses among those offered: the first that the settings name and that we see
 *   http01.c      a route of the daemon's HTTP server (RFC 8555, 8.3)
 *   tlsalpn01.c   a certificate of the daemon's TLS (RFC 8737)
 *   dns01.c       a program of the administrator's (RFC 8555, 8.4)
 *   selfcheck.c   asks this server for what the CA will ask it
 *
 * The solver runs on the worker's thread and blocks; the route runs on the HTTP thread.
 * Certificates are given to the daemon on its main thread: `provide` goes there and waits.
 */
#ifndef LETSENCRYPT_CHALLENGES_H
#define LETSENCRYPT_CHALLENGES_H

#include "acme.h"
#include "keys.h"

#include <netbird-signal/plugin.h>

enum challenge_type { CHALLENGE_HTTP, CHALLENGE_TLS_ALPN, CHALLENGE_DNS, CHALLENGE_TYPES };
extern const char *const challenge_names[CHALLENGE_TYPES]; /* "http-01", ... */

/* Everything is KEPT until challenges_close(), or replaced by challenges_configure(). */
struct challenges_settings {
	enum challenge_type order[CHALLENGE_TYPES]; /* in which they are tried */
	size_t n_order;
	const char *hook;        /* of dns-01: a program; NULL: none */
	unsigned hook_timeout_s; /* for each call of it */
	unsigned dns_delay_s;    /* after the last "begin", before the CA may look */
	bool self_check;
	unsigned self_check_timeout_s;
	unsigned http_port, tls_port; /* where the CA asks: 80 and 443, except for a private CA */
};

/* How certificates reach the daemon from the worker's thread; each blocks until it is done there.
 * 0 or a negative errno. */
struct challenges_tls {
	int (*provide)(void *arg, const struct nbs_cert *cert);
	int (*withdraw)(void *arg, const char *name);
	void *arg;
};

struct challenges;

/* [main], in init(), after acme_prepare(): registers the route. */
int challenges_open(struct challenges **out, struct nbs_host *host,
                    const struct challenges_tls *tls);
void challenges_close(struct challenges *c);
/* Worker, between orders. */
void challenges_configure(struct challenges *c, const struct challenges_settings *settings);
/* [any] A running hook is ended, a self-check breaks off, and all that begins ends with
 * -ECANCELED; a "failed" for each record that a hook has set is still run, for at most 2 s in all.
 */
void challenges_cancel(struct challenges *c);
/* Worker.  For acme_order(). */
struct acme_solver challenges_solver(struct challenges *c);

#endif
