/* Certificates and keys out of PEM files, and what is wrong with those that cannot be used. */
#include "certs.h"

#include "config.h"
#include "log.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <errno.h>
#include <string.h>

/* Says why OpenSSL did not take a file. */
static int refuse(const char *path, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	log_error("tls", "%s: %s%s%s", path, what, reason != NULL ? ": " : "",
	          reason != NULL ? reason : "");
	ERR_clear_error();
	return -EINVAL;
}

static int say(const char *path, const char *what)
{
	ERR_clear_error();
	return refuse(path, what);
}

/* Nobody is there to type a passphrase, and OpenSSL would ask the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
	(void)buf;
	(void)size;
	(void)writing;
	if (asked != NULL)
		*(bool *)asked = true;
	return -1;
}

/* The next certificate of the file: 1, 0 at its end, -EINVAL. */
static int next_cert(BIO *bio, const char *path, X509 **cert)
{
	unsigned long e;

	ERR_clear_error();
	if ((*cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL)
		return 1;
	e = ERR_peek_last_error();
	if (ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE) {
		ERR_clear_error();
		return 0;
	}
	return refuse(path, "a certificate does not parse");
}

/* All certificates of a file, at least one. */
static int read_certs(const unsigned char *bytes, size_t len, const char *path,
                      STACK_OF(X509) * certs)
{
	BIO *bio = BIO_new_mem_buf(bytes, (int)len);
	X509 *cert;
	int r;

	if (bio == NULL)
		return -ENOMEM;
	while ((r = next_cert(bio, path, &cert)) > 0) {
		if (sk_X509_push(certs, cert) == 0) {
			X509_free(cert);
			r = -ENOMEM;
			break;
		}
	}
	BIO_free(bio);
	if (r == 0 && sk_X509_num(certs) == 0)
		r = say(path, "no certificate in PEM form");
	return r;
}

static int load_chain(struct certs_pair *pair, const char *path, struct certs_stamp *stamp)
{
	unsigned char *bytes;
	size_t len;
	int r;

	if ((r = certs_file_read(path, &bytes, &len, stamp)) < 0)
		return r;
	if ((pair->chain = sk_X509_new_null()) == NULL)
		r = -ENOMEM;
	else
		r = read_certs(bytes, len, path, pair->chain);
	certs_file_free(bytes, len);
	if (r == 0)
		pair->cert = sk_X509_shift(pair->chain);
	return r;
}

static int load_key(struct certs_pair *pair, const char *path, struct certs_stamp *stamp)
{
	unsigned char *bytes;
	bool asked = false;
	size_t len;
	BIO *bio;
	int r;

	if ((r = certs_file_read(path, &bytes, &len, stamp)) < 0)
		return r;
	ERR_clear_error();
	if ((bio = BIO_new_mem_buf(bytes, (int)len)) != NULL)
		pair->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
	BIO_free(bio);
	certs_file_free(bytes, len);
	if (pair->key != NULL)
		return 0;
	if (asked)
		return say(path, "the key is encrypted; give it without a passphrase");
	return refuse(path, "no private key in PEM form");
}

static int check_dates(struct certs_pair *pair, const char *path)
{
	const ASN1_TIME *from = X509_get0_notBefore(pair->cert);
	const ASN1_TIME *until = X509_get0_notAfter(pair->cert);
	struct tm tm;

	if (ASN1_TIME_to_tm(until, &tm) == 0)
		return refuse(path, "the certificate has no valid date of expiry");
	pair->expires = timegm(&tm);
	if (X509_cmp_current_time(until) < 0)
		log_warn("tls", "%s: the certificate has expired", path);
	else if (X509_cmp_current_time(from) > 0)
		log_warn("tls", "%s: the certificate is not valid yet", path);
	return 0;
}

int certs_load_pair(struct certs_pair *pair, const struct config_pair *conf,
                    struct certs_stamp stamps[static 2])
{
	int r;

	if ((r = load_chain(pair, conf->cert_file, &stamps[0])) < 0 ||
	    (r = load_key(pair, conf->cert_key, &stamps[1])) < 0)
		return r;
	if (X509_check_private_key(pair->cert, pair->key) != 1) {
		ERR_clear_error();
		log_error("tls", "%s: the key does not fit the certificate in %s", conf->cert_key,
		          conf->cert_file);
		return -EINVAL;
	}
	if ((r = check_dates(pair, conf->cert_file)) < 0)
		return r;
	return certs_names_take(&pair->names, pair->cert);
}

void certs_load_free(struct certs_pair *pair)
{
	X509_free(pair->cert);
	EVP_PKEY_free(pair->key);
	sk_X509_pop_free(pair->chain, X509_free);
	certs_names_free(&pair->names);
}

/* Sessions that were verified by other authorities are not resumed. */
static int bind_sessions(SSL_CTX *ctx, const unsigned char *bytes, size_t len)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	_Static_assert(sizeof(digest) <= SSL_MAX_SID_CTX_LENGTH, "it fits");
	if (EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL) != 1 ||
	    SSL_CTX_set_session_id_context(ctx, digest, sizeof(digest)) != 1)
		return -ENOMEM;
	return 0;
}

static int trust(SSL_CTX *ctx, STACK_OF(X509) * authorities)
{
	for (int i = 0; i < sk_X509_num(authorities); i++) {
		X509 *cert = sk_X509_value(authorities, i);

		if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) != 1 ||
		    SSL_CTX_add_client_CA(ctx, cert) != 1)
			return -ENOMEM;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return 0;
}

int certs_load_authorities(SSL_CTX *ctx, const char *path, struct certs_stamp *stamp)
{
	STACK_OF(X509) * authorities;
	unsigned char *bytes;
	size_t len;
	int r;

	if ((r = certs_file_read(path, &bytes, &len, stamp)) < 0)
		return r;
	if ((authorities = sk_X509_new_null()) == NULL)
		r = -ENOMEM;
	else
		r = read_certs(bytes, len, path, authorities);
	if (r == 0 && (r = bind_sessions(ctx, bytes, len)) == 0)
		r = trust(ctx, authorities);
	sk_X509_pop_free(authorities, X509_free);
	certs_file_free(bytes, len);
	return r;
}
