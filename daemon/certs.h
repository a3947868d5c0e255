/*
 * One generation of certificates, between what makes it and the handshakes that use it.  What a
 * generation consists of is immutable and counted, so that any thread may read it and the next
 * generation may share it.
 *
 *   certs_file.c      a file's bytes, and what tells that it has changed
 *   certs_load.c      certificates and keys out of PEM
 *   certs_names.c     the names of a certificate, and which of them a client asks for
 *   certs_config.c    all that a configuration names
 *   certs_provided.c  what plugins provide
 *   certs_hello.c     whether a ClientHello is a certificate authority's challenge
 *   certs_show.c      what the log says of them
 *   certs.c           all of it behind one SSL_CTX
 *   certstore.c       which generation is the current one
 */
#ifndef CERTS_H
#define CERTS_H

#include "certstore.h"

#include <openssl/sha.h>
#include <openssl/ssl.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

struct config;
struct config_pair;
struct tls_tickets;

/* More than this of a certificate or key is refused, in a file or from a plugin. */
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

/* A certificate with its key.  Counted; immutable when it is in a generation. */
struct certs_pair {
	atomic_uint refs;
	bool tried;  /* [main] OpenSSL takes it */
	char *label; /* what it is called in messages */
	X509 *cert;
	EVP_PKEY *key;
	STACK_OF(X509) * chain;
	struct certs_names names; /* who asks for one of these gets it */
	time_t expires;
	bool named;    /* only who asks for its name gets it: it is never the default */
	bool fallback; /* it comes after the others */
	char *alpn;    /* NULL, or the protocol to which it is confined */
};

/* What the files of a configuration gave.  Counted. */
struct certs_config {
	atomic_uint refs;
	int min_version;
	struct certs_pair **pairs;
	size_t n_pairs;
	STACK_OF(X509) * authorities; /* of client certificates; NULL: none is asked for */
	unsigned char authorities_digest[SHA256_DIGEST_LENGTH];
	struct certs_stamp *stamps; /* of every file that was read, in certs_config_stamps()'s
	                               order */
	size_t n_stamps;
};

/* What plugins provide now, in the order in which they began to. */
struct certs_provided {
	struct certs_provided_pair *list;
	size_t n;
	unsigned long version; /* another one after each change */
};

struct certs {
	atomic_uint refs;
	SSL_CTX *ctx; /* NULL if there is no pair */
	struct certs_config *config;
	struct certs_pair **pairs; /* in the order in which they are looked through */
	size_t n_pairs;
	const struct certs_pair *standard; /* for a client without a name that is known, or NULL */
	size_t n_challenges;               /* pairs that are confined to a protocol */
	unsigned long version;             /* that of what plugins provided */
};

/* [main] Makes a generation of a configuration's pairs, which are shared, and what plugins
 * provide.  -EINVAL after a line: OpenSSL refuses a pair; -ENOMEM after one. */
int certs_make(struct certs **out, struct certs_config *config,
               const struct certs_provided *provided, struct tls_tickets *tickets);
/* When the first of them expires that clients get; 0 without any. */
time_t certs_expiry(const struct certs *certs);

/* [main] Reads all that a configuration names; NULL: what there is before there is one.  Negative
 * errno, said. */
int certs_config_load(struct certs_config **out, const struct config *cfg);
struct certs_config *certs_config_ref(struct certs_config *config);
void certs_config_unref(struct certs_config *config);
/* [main] How the files of a configuration look now.  NULL: out of memory. */
struct certs_stamp *certs_config_stamps(const struct config *cfg, size_t *n);

/* [main] A copy with the pair of that owner and name replaced, added, or, if `pair` is NULL, taken
 * out; without a name all of the owner's are taken out.  The pair is shared.  -ENOENT: there is
 * none to take out. */
int certs_provided_change(struct certs_provided *out, const struct certs_provided *from,
                          const char *owner, const char *name, struct certs_pair *pair);
/* [main] Parses what a plugin provides.  -EINVAL after a line that says what is wrong; -ENOMEM. */
int certs_provided_load(struct certs_pair **out, const char *owner, const struct nbs_cert *cert);
void certs_provided_free(struct certs_provided *provided);
size_t certs_provided_count(const struct certs_provided *provided);
struct certs_pair *certs_provided_at(const struct certs_provided *provided, size_t i);
/* Lent, or NULL; without a name any of the owner's. */
struct certs_pair *certs_provided_find(const struct certs_provided *provided, const char *owner,
                                       const char *name);

/* What lies at a path now, links followed. */
void certs_file_stamp(const char *path, struct certs_stamp *stamp);
bool certs_file_same(const struct certs_stamp *a, const struct certs_stamp *b);
/* Reads a regular file; *bytes is to be freed with certs_file_free().  Negative errno, said. */
int certs_file_read(const char *path, unsigned char **bytes, size_t *len,
                    struct certs_stamp *stamp);
void certs_file_free(unsigned char *bytes, size_t len);

/* PEM, lent for the call; `label` is what it is called in messages, and `key_label` its key. */
struct certs_pem {
	const char *label, *key_label;
	const void *chain, *key;
	size_t chain_len, key_len;
};
/* A pair of a certificate's and a key's PEM.  Negative errno, said. */
int certs_load_pem(struct certs_pair **out, const struct certs_pem *pem);
/* The same out of files; stamps[0] is the certificate's file, stamps[1] the key's. */
int certs_load_pair(struct certs_pair **out, const struct config_pair *conf,
                    struct certs_stamp stamps[static 2]);
struct certs_pair *certs_pair_ref(struct certs_pair *pair);
void certs_pair_unref(struct certs_pair *pair);
/* Reads the authorities of client certificates.  Negative errno, said. */
int certs_load_authorities(struct certs_config *config, const char *path,
                           struct certs_stamp *stamp);

/* The DNS names of a certificate, or else its common name.  -ENOMEM. */
int certs_names_take(struct certs_names *out, X509 *cert);
/* In place of those of the certificate one name, of any case.  -ENOMEM. */
int certs_names_set(struct certs_names *out, const char *name);
void certs_names_free(struct certs_names *names);
/* A wildcard stands for one whole label (RFC 6125, 6.4.3). */
bool certs_names_match(const struct certs_names *names, const char *wanted);

/* "names=a.example,*.b.example,+3 expires=2027-01-02T03:04:05Z", the first date of at least one. */
#define CERTS_SHOWN 640
void certs_show(char text[static CERTS_SHOWN], struct certs_pair *const *pairs, size_t n_pairs);

/* [any] For SSL_CTX_set_client_hello_cb(); `certs` is the generation. */
int certs_hello_look(SSL *ssl, int *alert, void *certs);
/* [any] The pair of the challenge that this handshake answers, or NULL. */
const struct certs_pair *certs_hello_challenge(SSL *ssl);
/* [any] A list of protocols as ALPN has it: whether it has this one. */
bool certs_hello_offers(const unsigned char *list, size_t len, const char *protocol);
/* [any] Whether certs_forgo_http2() was called. */
bool certs_hello_without_http2(SSL *ssl);

#endif
