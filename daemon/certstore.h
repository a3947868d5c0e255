/*
 * Certificates: the pairs of [tls] and [tls NAME], loaded anew when their files change or on a
 * reload, and those that plugins provide; found by the name that a client asks for (SNI).  What is
 * in use together is one generation, immutable and counted: a handshake keeps the one it began
 * with, and a generation that cannot be made changes nothing.
 */
#ifndef CERTSTORE_H
#define CERTSTORE_H

#include <netbird-signal/plugin.h>

#include <openssl/types.h>

#include <stdbool.h>
#include <stdint.h>

struct certs; /* one generation */
struct certstore;
struct config;
struct metrics;

/* [main] Nothing is loaded yet. */
int certstore_open(struct certstore **out, struct metrics *metrics);
void certstore_close(struct certstore *store);

/*
 * [main] Loads what a configuration names, in two steps; with what plugins provide it makes a
 * generation, also without any certificate.  -EINVAL, -ENOENT, -EACCES, ... after a line that names
 * the file and what is wrong: it does not parse, key and certificate do not fit, the key is
 * encrypted.
 */
int certstore_load(struct certstore *store, const struct config *cfg, struct certs **out);
/* [main] From now on new handshakes use it; GIVEN.  The configuration is KEPT until the next call,
 * for its file names.  What plugins have changed since the load counts. */
void certstore_use(struct certstore *store, const struct config *cfg, struct certs *certs);
/* [main] Looks whether a file has changed; what changed and has settled is loaded and used. */
void certstore_tick(struct certstore *store, uint64_t now_ms);
/* [main] After privileges were dropped: warns of files that could not be read again. */
void certstore_warn_unreadable(const struct config *cfg);

/*
 * [main] What plugins provide, beside the files; see nbs_host.cert_provide.  A new generation is
 * made of the pairs that are in use and this one: no file is read again.
 */
int certstore_provide(struct certstore *store, const char *owner, const struct nbs_cert *cert);
int certstore_withdraw(struct certstore *store, const char *owner, const char *name);
/* [main] The owner is going. */
void certstore_withdraw_all(struct certstore *store, const char *owner);
/* [main] The same as certs_serve() of the current generation. */
bool certstore_serves(const struct certstore *store);

/* [any] The current generation, counted, or NULL if it has no certificate. */
struct certs *certstore_get(struct certstore *store);
void certs_unref(struct certs *certs);
/* [any] Whether clients get a certificate, challenges not counted. */
bool certs_serve(const struct certs *certs);
/* [any] A new server-side SSL object; it chooses the pair by SNI during the handshake, and the
 * caller holds `certs` until that is over.  NULL: out of memory. */
SSL *certs_new_ssl(struct certs *certs);
/* [any] Before the handshake: the client is not offered HTTP/2 (ALPN).  false: out of memory. */
bool certs_forgo_http2(SSL *ssl);
/* [any] After it, while `certs` is held: it answered a challenge, and nothing is to follow. */
bool certs_answered_challenge(SSL *ssl);

#endif
