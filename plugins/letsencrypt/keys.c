/* Private keys, requests, and the names under which a CA asks.  Private bytes are wiped where they
 * were written as text. */
#include "keys.h"

#include "identifiers.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ec.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *group; /* of an elliptic curve, as OpenSSL calls it; NULL: RSA */
	int bits;
} types[] = {
    [KEY_P256] = {SN_X9_62_prime256v1, 256},
    [KEY_P384] = {SN_secp384r1, 384},
    [KEY_RSA2048] = {NULL, 2048},
    [KEY_RSA3072] = {NULL, 3072},
    [KEY_RSA4096] = {NULL, 4096},
};

EVP_PKEY *keys_generate(enum key_type type)
{
	EVP_PKEY *key = types[type].group != NULL ? EVP_EC_gen(types[type].group)
	                                          : EVP_RSA_gen((unsigned)types[type].bits);

	ERR_clear_error();
	return key;
}

bool keys_is(const EVP_PKEY *key, enum key_type type)
{
	char group[64] = "";

	if (types[type].group == NULL)
		return EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) == types[type].bits;
	return EVP_PKEY_is_a(key, "EC") == 1 &&
	       EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	       strcmp(group, types[type].group) == 0;
}

char *keys_to_pem(EVP_PKEY *key, size_t *len)
{
	BIO *bio = BIO_new(BIO_s_secmem()); /* what it held is wiped when it is freed */
	char *bytes, *pem = NULL;
	long n;

	if (bio != NULL &&
	    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	    (n = BIO_get_mem_data(bio, &bytes)) > 0 &&
	    (pem = OPENSSL_malloc((size_t)n + 1)) != NULL) {
		memcpy(pem, bytes, (size_t)n);
		pem[n] = '\0';
		*len = (size_t)n;
	}
	BIO_free(bio);
	ERR_clear_error();
	return pem;
}

/* Nobody is there to type a passphrase, and OpenSSL would ask the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

EVP_PKEY *keys_from_pem(const char *pem, size_t len)
{
	BIO *bio = len > 0 && len <= KEYS_PEM_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
	EVP_PKEY *key = NULL;

	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	ERR_clear_error();
	return key;
}

void keys_pem_free(char *pem, size_t len)
{
	OPENSSL_clear_free(pem, len);
}

static int add_names(X509_REQ *req, const struct acme_identifier *ids, size_t n)
{
	STACK_OF(X509_EXTENSION) *extensions = NULL;
	GENERAL_NAMES *names;
	int r = identifiers_to_names(ids, n, &names);

	if (r < 0)
		return r;
	if (X509V3_add1_i2d(&extensions, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) != 1 ||
	    X509_REQ_add_extensions(req, extensions) != 1)
		r = -ENOMEM;
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	GENERAL_NAMES_free(names);
	return r;
}

static int fill(X509_REQ *req, EVP_PKEY *key, const struct acme_identifier *ids, size_t n)
{
	const char *name = identifiers_common_name(ids, n);
	int r = add_names(req, ids, n);

	if (r < 0)
		return r;
	if (name != NULL &&
	    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_UTF8,
	                               (const unsigned char *)name, -1, -1, 0) != 1)
		return -ENOMEM;
	if (X509_REQ_set_pubkey(req, key) != 1 || X509_REQ_sign(req, key, keys_digest(key)) <= 0)
		return -ENOMEM;
	return 0;
}

static int encode(X509_REQ *req, unsigned char **der, size_t *len)
{
	int n = i2d_X509_REQ(req, NULL);
	unsigned char *bytes, *at;

	if (n <= 0 || (bytes = malloc((size_t)n)) == NULL)
		return -ENOMEM;
	at = bytes;
	i2d_X509_REQ(req, &at);
	*der = bytes;
	*len = (size_t)n;
	return 0;
}

int keys_csr(EVP_PKEY *key, const struct acme_identifier *ids, size_t n, unsigned char **der,
             size_t *len)
{
	X509_REQ *req = X509_REQ_new();
	int r = -ENOMEM;

	if (req != NULL && (r = fill(req, key, ids, n)) == 0)
		r = encode(req, der, len);
	X509_REQ_free(req);
	ERR_clear_error();
	return r;
}

const EVP_MD *keys_digest(const EVP_PKEY *key)
{
	return keys_is(key, KEY_P384) ? EVP_sha384() : EVP_sha256();
}

static int reverse_name(const unsigned char *address, size_t len, char *name, size_t size)
{
	size_t at = 0;
	int n;

	for (size_t i = len; i-- > 0;) {
		n = len == 4 ? snprintf(name + at, size - at, "%u.", address[i])
		             : snprintf(name + at, size - at, "%x.%x.", address[i] & 15u,
		                        (unsigned)address[i] >> 4);
		if (n < 0 || (size_t)n >= size - at)
			return -ENOSPC;
		at += (size_t)n;
	}
	n = snprintf(name + at, size - at, "%s", len == 4 ? "in-addr.arpa" : "ip6.arpa");
	return n < 0 || (size_t)n >= size - at ? -ENOSPC : 0;
}

int keys_server_name(const struct acme_identifier *id, char *name, size_t size)
{
	unsigned char address[16];
	size_t len;
	int n;

	if (id->kind == ACME_IP) {
		len = identifiers_address(id, address);
		return len > 0 ? reverse_name(address, len, name, size) : -EINVAL;
	}
	n = snprintf(name, size, "%s", id->value);
	return n < 0 || (size_t)n >= size ? -ENOSPC : 0;
}
