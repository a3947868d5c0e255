/*
 * For tests of TLS: certificates and keys made on the spot, a configuration that names their
 * files, and a client.
 */
#ifndef TLS_CASE_H
#define TLS_CASE_H

#include "config.h"
#include "log_case.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdarg.h>

#define DAY (24 * 3600L)

struct made {
	X509 *cert;
	EVP_PKEY *key;
};

struct wanted {
	const char *cn, *names; /* "DNS:a.example,DNS:*.b.example", or NULL */
	const struct made *by;  /* NULL: self-signed, and an authority */
	long from, until;       /* seconds from now */
	int rsa_bits;           /* 0: a key on P-256 */
};

static inline void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	cr_assert(ext != NULL && X509_add_ext(cert, ext, -1) == 1, "%s", value);
	X509_EXTENSION_free(ext);
}

static inline struct made make_cert(const struct wanted *w)
{
	static long serial;
	struct made m;
	X509_NAME *name;

	m.key = w->rsa_bits > 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)w->rsa_bits)
	                        : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	cr_assert(m.key != NULL);
	m.cert = X509_new();
	X509_set_version(m.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(m.cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(m.cert), w->from != 0 ? w->from : -DAY);
	X509_gmtime_adj(X509_getm_notAfter(m.cert), w->until != 0 ? w->until : 30 * DAY);
	X509_set_pubkey(m.cert, m.key);
	name = X509_get_subject_name(m.cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)w->cn, -1, -1,
	                           0);
	X509_set_issuer_name(m.cert, w->by != NULL ? X509_get_subject_name(w->by->cert) : name);
	if (w->by == NULL)
		add_extension(m.cert, NID_basic_constraints, "critical,CA:TRUE");
	if (w->names != NULL)
		add_extension(m.cert, NID_subject_alt_name, w->names);
	cr_assert(X509_sign(m.cert, w->by != NULL ? w->by->key : m.key, EVP_sha256()) > 0);
	return m;
}

static inline void free_cert(struct made *m)
{
	X509_free(m->cert);
	EVP_PKEY_free(m->key);
}

/* A path in the test's directory, good until the program ends. */
static inline const char *path_of(const char *name)
{
	char path[128];
	const char *copy;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	copy = strdup(path);
	return copy;
}

/* As an operator should do it: a new file takes the place of the old. */
static inline void put_file(const char *path, const void *bytes, size_t len)
{
	char fresh[160];
	FILE *f;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	f = fopen(fresh, "w");
	cr_assert(f != NULL && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
	cr_assert_eq(rename(fresh, path), 0);
}

static inline void put_bio(const char *path, BIO *bio)
{
	char *bytes;
	long len = BIO_get_mem_data(bio, &bytes);

	put_file(path, bytes, (size_t)len);
	BIO_free(bio);
}

static inline void put_cert(const char *path, const struct made *m, const struct made *next)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(bio, m->cert);
	if (next != NULL)
		PEM_write_bio_X509(bio, next->cert);
	put_bio(path, bio);
}

static inline void put_key(const char *path, const struct made *m, const char *passphrase)
{
	BIO *bio = BIO_new(BIO_s_mem());

	cr_assert(PEM_write_bio_PKCS8PrivateKey(
		      bio, m->key, passphrase != NULL ? EVP_aes_128_cbc() : NULL, passphrase,
		      passphrase != NULL ? 4 : 0, NULL, NULL) == 1);
	put_bio(path, bio);
}

#define PAIRS_MAX 4

struct tls_config {
	struct config cfg;
	struct config_pair pairs[PAIRS_MAX];
};

static inline void config_begin(struct tls_config *c)
{
	*c = (struct tls_config){.cfg = {.tls_min_version = TLS1_2_VERSION, .client_ca = ""}};
	c->cfg.pairs = c->pairs;
}

/* Puts a pair into files of that name and adds it to the configuration. */
static inline void config_add(struct tls_config *c, const char *name, const struct made *m)
{
	struct config_pair *pair = &c->pairs[c->cfg.n_pairs++];
	char file_name[64];

	snprintf(file_name, sizeof(file_name), "%s.crt", name);
	pair->cert_file = path_of(file_name);
	snprintf(file_name, sizeof(file_name), "%s.key", name);
	pair->cert_key = path_of(file_name);
	put_cert(pair->cert_file, m, NULL);
	put_key(pair->cert_key, m, NULL);
}

static inline SSL_CTX *client_ctx(int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	cr_assert(ctx != NULL);
	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\x02h2", 3);
	return ctx;
}

/* The common name of the certificate that the server showed, "" without. */
static inline const char *shown_to(SSL *client)
{
	static char name[64];
	X509 *cert = SSL_get1_peer_certificate(client);

	name[0] = '\0';
	if (cert != NULL)
		X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name,
		                          sizeof(name));
	X509_free(cert);
	return name;
}

#endif
