/* Certificates and keys out of PEM, and what is wrong with those that cannot be used. */
#include "certs.h"

#include "config.h"
#include "log.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Says why OpenSSL did not take a file, or what a plugin gave. */
static int refuse(const char *label, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	log_error("tls", "%s: %s%s%s", label, what, reason != NULL ? ": " : "",
	          reason != NULL ? reason : "");
	ERR_clear_error();
	return -EINVAL;
}

static int say(const char *label, const char *what)
{
	ERR_clear_error();
	return refuse(label, what);
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

/* The next certificate: 1, 0 at the end, -EINVAL. */
static int next_cert(BIO *bio, const char *label, X509 **cert)
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
	return refuse(label, "a certificate does not parse");
}

/* All certificates that are there, at least one. */
static int read_certs(const unsigned char *bytes, size_t len, const char *label,
                      STACK_OF(X509) * certs)
{
	BIO *bio = BIO_new_mem_buf(bytes, (int)len);
	X509 *cert;
	int r;

	if (bio == NULL)
		return -ENOMEM;
	while ((r = next_cert(bio, label, &cert)) > 0) {
		if (sk_X509_push(certs, cert) == 0) {
			X509_free(cert);
			r = -ENOMEM;
			break;
		}
	}
	BIO_free(bio);
	if (r == 0 && sk_X509_num(certs) == 0)
		r = say(label, "no certificate in PEM form");
	return r;
}

static int parse_chain(struct certs_pair *pair, const void *bytes, size_t len)
{
	int r;

	if ((pair->chain = sk_X509_new_null()) == NULL)
		return -ENOMEM;
	if ((r = read_certs(bytes, len, pair->label, pair->chain)) == 0)
		pair->cert = sk_X509_shift(pair->chain);
	return r;
}

static int parse_key(struct certs_pair *pair, const void *bytes, size_t len, const char *label)
{
	bool asked = false;
	BIO *bio;

	ERR_clear_error();
	if ((bio = BIO_new_mem_buf(bytes, (int)len)) == NULL)
		return -ENOMEM;
	pair->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
	BIO_free(bio);
	if (pair->key != NULL)
		return 0;
	if (asked)
		return say(label, "the key is encrypted; give it without a passphrase");
	return refuse(label, "no private key in PEM form");
}

static int check_dates(struct certs_pair *pair)
{
	const ASN1_TIME *from = X509_get0_notBefore(pair->cert);
	const ASN1_TIME *until = X509_get0_notAfter(pair->cert);
	struct tm tm;

	if (ASN1_TIME_to_tm(until, &tm) == 0)
		return refuse(pair->label, "the certificate has no valid date of expiry");
	pair->expires = timegm(&tm);
	if (X509_cmp_current_time(until) < 0)
		log_warn("tls", "%s: the certificate has expired", pair->label);
	else if (X509_cmp_current_time(from) > 0)
		log_warn("tls", "%s: the certificate is not valid yet", pair->label);
	return 0;
}

static int fill(struct certs_pair *pair, const struct certs_pem *pem)
{
	int r;

	if ((pair->label = strdup(pem->label)) == NULL)
		return -ENOMEM;
	if ((r = parse_chain(pair, pem->chain, pem->chain_len)) < 0 ||
	    (r = parse_key(pair, pem->key, pem->key_len, pem->key_label)) < 0)
		return r;
	if (X509_check_private_key(pair->cert, pair->key) != 1) {
		ERR_clear_error();
		log_error("tls", "%s: the key does not fit the certificate in %s", pem->key_label,
		          pem->label);
		return -EINVAL;
	}
	if ((r = check_dates(pair)) < 0)
		return r;
	return certs_names_take(&pair->names, pair->cert);
}

int certs_load_pem(struct certs_pair **out, const struct certs_pem *pem)
{
	struct certs_pair *pair = calloc(1, sizeof(*pair));
	int r;

	if (pair == NULL)
		return -ENOMEM;
	atomic_init(&pair->refs, 1);
	if ((r = fill(pair, pem)) < 0) {
		certs_pair_unref(pair);
		return r;
	}
	*out = pair;
	return 0;
}

int certs_load_pair(struct certs_pair **out, const struct config_pair *conf,
                    struct certs_stamp stamps[static 2])
{
	struct certs_pem pem = {.label = conf->cert_file, .key_label = conf->cert_key};
	unsigned char *chain, *key;
	int r;

	if ((r = certs_file_read(conf->cert_file, &chain, &pem.chain_len, &stamps[0])) < 0)
		goto err0;
	if ((r = certs_file_read(conf->cert_key, &key, &pem.key_len, &stamps[1])) < 0)
		goto err1;
	pem.chain = chain;
	pem.key = key;
	r = certs_load_pem(out, &pem);
	certs_file_free(key, pem.key_len);
err1:
	certs_file_free(chain, pem.chain_len);
err0:
	return r;
}

struct certs_pair *certs_pair_ref(struct certs_pair *pair)
{
	atomic_fetch_add(&pair->refs, 1);
	return pair;
}

void certs_pair_unref(struct certs_pair *pair)
{
	if (pair == NULL || atomic_fetch_sub(&pair->refs, 1) > 1)
		return;
	X509_free(pair->cert);
	EVP_PKEY_free(pair->key);
	sk_X509_pop_free(pair->chain, X509_free);
	certs_names_free(&pair->names);
	free(pair->label);
	free(pair->alpn);
	free(pair);
}

int certs_load_authorities(struct certs_config *config, const char *path, struct certs_stamp *stamp)
{
	unsigned char *bytes;
	size_t len;
	int r;

	if ((r = certs_file_read(path, &bytes, &len, stamp)) < 0)
		return r;
	if ((config->authorities = sk_X509_new_null()) == NULL ||
	    EVP_Digest(bytes, len, config->authorities_digest, NULL, EVP_sha256(), NULL) != 1)
		r = -ENOMEM;
	else
		r = read_certs(bytes, len, path, config->authorities);
	certs_file_free(bytes, len);
	return r;
}
