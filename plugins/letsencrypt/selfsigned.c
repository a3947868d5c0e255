/* Certificates that we sign ourselves: until there is a real one, and for tls-alpn-01. */
#include "identifiers.h"
#include "keys.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EARLY_S 3600 /* clocks of clients may be behind ours */
#define DAY_S 86400
#define CHALLENGE_DAYS 7
#define SERIAL_BITS 127 /* positive, and at most 20 octets (RFC 5280, 4.1.2.2) */

struct wish {
	EVP_PKEY *key;
	const struct acme_identifier *ids;
	size_t n;
	unsigned days;
	const char *organization, *common_name;
	const unsigned char *digest; /* of a key authorization; NULL: none */
};

static int set_serial(X509 *cert)
{
	BIGNUM *serial = BN_new();
	int ok = serial != NULL &&
	         BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
	         BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL;

	BN_free(serial);
	return ok ? 0 : -ENOMEM;
}

static int set_entry(X509_NAME *name, const char *field, const char *value)
{
	if (value == NULL)
		return 0;
	return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)value,
	                                  -1, -1, 0) == 1
	           ? 0
	           : -ENOMEM;
}

static int set_identity(X509 *cert, const struct wish *w)
{
	X509_NAME *name = X509_get_subject_name(cert);

	if (X509_set_version(cert, X509_VERSION_3) != 1 || set_serial(cert) < 0 ||
	    X509_time_adj_ex(X509_getm_notBefore(cert), 0, -EARLY_S, NULL) == NULL ||
	    X509_time_adj_ex(X509_getm_notAfter(cert), (int)w->days, 0, NULL) == NULL ||
	    set_entry(name, "O", w->organization) < 0 ||
	    set_entry(name, "CN", w->common_name) < 0 || X509_set_issuer_name(cert, name) != 1 ||
	    X509_set_pubkey(cert, w->key) != 1)
		return -ENOMEM;
	return 0;
}

/* An extension of OpenSSL's own words. */
static int add_words(X509 *cert, int nid, const char *words)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;
	int ok;

	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, words);
	ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok ? 0 : -ENOMEM;
}

static int add_names(X509 *cert, const struct wish *w)
{
	GENERAL_NAMES *names;
	int r = identifiers_to_names(w->ids, w->n, &names);

	if (r < 0)
		return r;
	if (X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) != 1)
		r = -ENOMEM;
	GENERAL_NAMES_free(names);
	return r;
}

/* RFC 8737, 3: the extension's value is the DER of an OCTET STRING of 32 octets. */
static int add_digest(X509 *cert, const unsigned char *digest)
{
	ASN1_OBJECT *oid = OBJ_txt2obj(KEYS_ACME_IDENTIFIER, 1);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	unsigned char der[2 + SHA256_DIGEST_LENGTH] = {V_ASN1_OCTET_STRING, SHA256_DIGEST_LENGTH};
	X509_EXTENSION *extension = NULL;
	int ok;

	memcpy(der + 2, digest, SHA256_DIGEST_LENGTH);
	ok = oid != NULL && value != NULL && ASN1_OCTET_STRING_set(value, der, sizeof(der)) == 1 &&
	     (extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value)) != NULL &&
	     X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(oid);
	return ok ? 0 : -ENOMEM;
}

static int fill(X509 *cert, const struct wish *w)
{
	int r;

	if ((r = add_names(cert, w)) < 0 || (r = set_identity(cert, w)) < 0)
		return r;
	if ((r = add_words(cert, NID_basic_constraints, "critical,CA:FALSE")) < 0 ||
	    (r = add_words(cert, NID_key_usage, "critical,digitalSignature")) < 0 ||
	    (r = add_words(cert, NID_ext_key_usage, "serverAuth")) < 0)
		return r;
	if (w->digest != NULL && (r = add_digest(cert, w->digest)) < 0)
		return r;
	return X509_sign(cert, w->key, keys_digest(w->key)) > 0 ? 0 : -ENOMEM;
}

static int to_pem(X509 *cert, char **pem)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes;
	long n;
	int r = -ENOMEM;

	if (bio != NULL && PEM_write_bio_X509(bio, cert) == 1 &&
	    (n = BIO_get_mem_data(bio, &bytes)) > 0 && (*pem = strndup(bytes, (size_t)n)) != NULL)
		r = 0;
	BIO_free(bio);
	return r;
}

static int sign(const struct wish *w, char **pem)
{
	X509 *cert = X509_new();
	int r = -ENOMEM;

	if (cert != NULL && (r = fill(cert, w)) == 0)
		r = to_pem(cert, pem);
	X509_free(cert);
	ERR_clear_error();
	return r;
}

int keys_self_signed(EVP_PKEY *key, const struct acme_identifier *ids, size_t n, unsigned days,
                     char **pem)
{
	const char *name = identifiers_common_name(ids, n);
	const struct wish w = {.key = key,
	                       .ids = ids,
	                       .n = n,
	                       .days = days,
	                       .organization = "netbird-signal (temporary, self-signed)",
	                       .common_name = name};

	return sign(&w, pem);
}

int keys_alpn_challenge(EVP_PKEY *key, const struct acme_identifier *id,
                        const char *key_authorization, char **pem)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	const struct wish w = {.key = key,
	                       .ids = id,
	                       .n = 1,
	                       .days = CHALLENGE_DAYS,
	                       .common_name = "acme-tls/1 challenge",
	                       .digest = digest};

	keys_authorization_digest(key_authorization, digest);
	return sign(&w, pem);
}

void keys_authorization_digest(const char *key_authorization,
                               unsigned char digest[static SHA256_DIGEST_LENGTH])
{
	SHA256((const unsigned char *)key_authorization, strlen(key_authorization), digest);
}
