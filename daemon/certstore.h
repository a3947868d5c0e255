/*
 * Certificates: the pairs of [tls] and [tls NAME], found by the name that a client asks for
 * (SNI) and loaded anew when their files change or on a reload.  What is loaded together is one
 * generation, immutable and counted: a handshake keeps the one it began with, and a generation
 * that cannot be loaded changes nothing.
 */
#ifndef CERTSTORE_H
#define CERTSTORE_H

#include <openssl/types.h>

#include <stdint.h>

struct certs; /* one generation */
struct certstore;
struct config;
struct metrics;

/* [main] Nothing is loaded yet. */
int certstore_open(struct certstore **out, struct metrics *metrics);
void certstore_close(struct certstore *store);

/*
 * [main] Loads what a configuration names, in two steps.  *out is NULL if it names nothing.
 * -EINVAL, -ENOENT, -EACCES, ... after a line that names the file and what is wrong: it does not
 * parse, key and certificate do not fit, the key is encrypted.
 */
int certstore_load(struct certstore *store, const struct config *cfg, struct certs **out);
/* [main] From now on new handshakes use it; GIVEN.  The configuration is KEPT until the next call,
 * for its file names. */
void certstore_use(struct certstore *store, const struct config *cfg, struct certs *certs);
/* [main] Looks whether a file has changed; what changed and has settled is loaded and used. */
void certstore_tick(struct certstore *store, uint64_t now_ms);

/* [any] The current generation, counted, or NULL. */
struct certs *certstore_get(struct certstore *store);
void certs_unref(struct certs *certs);
/* [any] A new server-side SSL object; it chooses the pair by SNI during the handshake, and the
 * caller holds `certs` until that is over.  NULL: out of memory. */
SSL *certs_new_ssl(struct certs *certs);

#endif
