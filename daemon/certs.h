/*
 * One generation of certificates, between the files that make it.  Immutable once loaded, so that
 * any thread may read it.
 *
 *   certs_file.c    a file's bytes, and what tells that it has changed
 *   certs_load.c    certificates and keys out of these bytes
 *   certs_names.c   the names of a certificate, and which of them a client asks for
 *   certs.c         all of it behind one SSL_CTX
 *   certstore.c     which generation is the current one
 */
#ifndef CERTS_H
#define CERTS_H

#include "certstore.h"

#include <openssl/ssl.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

struct config;
struct config_pair;
struct tls_tickets;

/* Larger files are refused. */
#define CERTS_FILE_MAX (1024 * 1024)

/* A file as it was looked at. */
struct certs_stamp {
	int err; /* a negative errno of stat(); the rest is 0 then */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
	struct timespec ctime; /* of its permissions and links, too */
};

struct certs_names {
	char **names; /* lower case, "*.example.com" for a wildcard */
	size_t n;
};

struct certs_pair {
	X509 *cert;
	EVP_PKEY *key;
	STACK_OF(X509) * chain;
	struct certs_names names;
	time_t expires;
};

struct certs {
	atomic_uint refs;
	SSL_CTX *ctx;
	struct certs_pair *pairs; /* the default is the first */
	size_t n_pairs;
	struct certs_stamp *stamps; /* of every file that was read, in certs_stamp_all()'s order */
	size_t n_stamps;
};

/* [main] As certstore_load(), for a configuration that names a pair. */
int certs_load(struct certs **out, const struct config *cfg, struct tls_tickets *tickets);
/* [main] How the files of a configuration look now.  NULL: out of memory. */
struct certs_stamp *certs_stamp_all(const struct config *cfg, size_t *n);
/* When the first of them expires. */
time_t certs_expiry(const struct certs *certs);

/* What lies at a path now, links followed. */
void certs_file_stamp(const char *path, struct certs_stamp *stamp);
bool certs_file_same(const struct certs_stamp *a, const struct certs_stamp *b);
/* Reads a regular file; *bytes is to be freed with certs_file_free().  Negative errno, said. */
int certs_file_read(const char *path, unsigned char **bytes, size_t *len,
                    struct certs_stamp *stamp);
void certs_file_free(unsigned char *bytes, size_t len);

/* Reads a pair into *pair, zeroed before; stamps[0] is the certificate's file, stamps[1] the
 * key's.  Negative errno, said; certs_load_free() is owed in any case. */
int certs_load_pair(struct certs_pair *pair, const struct config_pair *conf,
                    struct certs_stamp stamps[static 2]);
void certs_load_free(struct certs_pair *pair);
/* Client certificates are to be signed by one of those in the file.  Negative errno, said. */
int certs_load_authorities(SSL_CTX *ctx, const char *path, struct certs_stamp *stamp);

/* The DNS names of a certificate, or else its common name.  -ENOMEM. */
int certs_names_take(struct certs_names *out, X509 *cert);
void certs_names_free(struct certs_names *names);
/* A wildcard stands for one whole label (RFC 6125, 6.4.3). */
bool certs_names_match(const struct certs_names *names, const char *wanted);

#endif
