/* Reads chains as strictly as RFC 8555, 9.1 writes them: certificates and nothing else. */
#include "certificate.h"

#include "identifiers.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX 16 /* certificates */

/* The next block of a PEM text has to be a certificate: 1, 0 at the end, -EINVAL. */
static int next_cert(BIO *bio, X509 **cert, const char **why)
{
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	const unsigned char *at;
	long len = 0;
	int r = -EINVAL;

	*cert = NULL;
	if (PEM_read_bio(bio, &name, &header, &der, &len) != 1) {
		if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
			return 0;
		*why = "a part of it is no PEM";
		return -EINVAL;
	}
	at = der;
	if (strcmp(name, PEM_STRING_X509) != 0)
		*why = "it contains something other than certificates";
	else if ((*cert = d2i_X509(NULL, &at, len)) == NULL || at != der + len)
		*why = "a certificate in it does not parse";
	else
		r = 1;
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0); /* perhaps it was a key */
	if (r < 0) {
		X509_free(*cert);
		*cert = NULL;
	}
	return r;
}

/* The rest of the chain is parsed and let go; what is kept is its text as we write it, so that
 * nothing else that the text may hold comes along. */
static int read_chain(BIO *in, BIO *out, X509 **leaf, const char **why)
{
	X509 *cert;
	int r, n = 0;

	while ((r = next_cert(in, &cert, why)) > 0) {
		if (PEM_write_bio_X509(out, cert) != 1)
			r = -ENOMEM;
		if (n++ == 0)
			*leaf = cert;
		else
			X509_free(cert);
		if (r < 0)
			return r;
		if (n > CHAIN_MAX) {
			*why = "it has too many certificates";
			return -EINVAL;
		}
	}
	if (r == 0 && n == 0) {
		*why = "there is no certificate in it";
		return -EINVAL;
	}
	return r;
}

static int parse_chain(struct certificate *c, const char *chain, const char **why)
{
	size_t len = strlen(chain);
	BIO *in = len <= INT_MAX ? BIO_new_mem_buf(chain, (int)len) : NULL;
	BIO *out = BIO_new(BIO_s_mem());
	char *text;
	long n;
	int r = -ENOMEM;

	if (in != NULL && out != NULL && (r = read_chain(in, out, &c->leaf, why)) == 0) {
		n = BIO_get_mem_data(out, &text);
		if ((c->chain = strndup(text, (size_t)n)) == NULL)
			r = -ENOMEM;
	}
	BIO_free(in);
	BIO_free(out);
	return r;
}

static int to_time(const ASN1_TIME *at, time_t *t)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(at, &tm) != 1)
		return -EINVAL;
	*t = timegm(&tm);
	return 0;
}

static int check(struct certificate *c, const char **why)
{
	if (to_time(X509_get0_notBefore(c->leaf), &c->not_before) < 0 ||
	    to_time(X509_get0_notAfter(c->leaf), &c->not_after) < 0) {
		*why = "its validity does not parse";
		return -EINVAL;
	}
	if (X509_check_private_key(c->leaf, c->key) != 1) {
		*why = "the certificate and the private key do not belong together";
		return -EINVAL;
	}
	return 0;
}

int certificate_parse(struct certificate **out, const char *chain, EVP_PKEY *key, const char **why)
{
	struct certificate *c = calloc(1, sizeof(*c));
	int r;

	*why = "out of memory";
	if (c == NULL)
		return -ENOMEM;
	EVP_PKEY_up_ref(key);
	c->key = key;
	ERR_clear_error();
	if ((r = parse_chain(c, chain, why)) == 0)
		r = check(c, why);
	ERR_clear_error();
	if (r < 0) {
		certificate_free(c);
		return r;
	}
	*out = c;
	return 0;
}

void certificate_free(struct certificate *c)
{
	if (c == NULL)
		return;
	X509_free(c->leaf);
	EVP_PKEY_free(c->key);
	free(c->chain);
	free(c);
}

bool certificate_fits(const struct certificate *c, const struct acme_identifier *ids, size_t n,
                      enum key_type type)
{
	return keys_is(c->key, type) && identifiers_covered(c->leaf, ids, n);
}
