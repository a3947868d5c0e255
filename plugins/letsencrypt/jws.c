/* JSON Web Signatures with OpenSSL's keys. */
#include "jws.h"

#include "base64url.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 7518, 3.1. */
static const struct kind {
	const char *alg, *digest;
	const char *group, *curve; /* as OpenSSL and as JWK call it; NULL: RSA */
	size_t size;               /* of a coordinate, in bytes */
} kinds[] = {
    {"ES256", "SHA256", "prime256v1", "P-256", 32},
    {"ES384", "SHA384", "secp384r1", "P-384", 48},
    {"RS256", "SHA256", NULL, NULL, 0},
};

/* The longest signature: RSA with 8192 bits. */
#define SIGNATURE_MAX 1024

static const struct kind *kind_of(const EVP_PKEY *key)
{
	bool rsa = EVP_PKEY_is_a(key, "RSA");
	char group[32] = "";

	if (!rsa &&
	    !(EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL)))
		return NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (rsa ? kinds[i].group == NULL
		        : kinds[i].group != NULL && strcmp(kinds[i].group, group) == 0)
			return &kinds[i];
	return NULL;
}

const char *jws_alg(const EVP_PKEY *key)
{
	const struct kind *kind = kind_of(key);

	return kind == NULL ? NULL : kind->alg;
}

/* One number of a public key in base64url, of `size` bytes or of as many as it needs (0). */
static char *number(const EVP_PKEY *key, const char *param, size_t size)
{
	unsigned char bytes[SIGNATURE_MAX];
	BIGNUM *n = NULL;
	char *text = NULL;
	int len = -1;

	if (!EVP_PKEY_get_bn_param(key, param, &n))
		return NULL;
	if (size == 0)
		size = (size_t)BN_num_bytes(n);
	if (size <= sizeof(bytes))
		len = BN_bn2binpad(n, bytes, (int)size);
	if (len >= 0)
		text = base64url_dup(bytes, (size_t)len);
	BN_free(n);
	return text;
}

char *jws_jwk(const EVP_PKEY *key)
{
	const struct kind *kind = kind_of(key);
	bool ec = kind != NULL && kind->curve != NULL;
	char *a = NULL, *b = NULL, *jwk = NULL;
	int n = -1;

	if (kind == NULL)
		return NULL;
	a = number(key, ec ? OSSL_PKEY_PARAM_EC_PUB_X : OSSL_PKEY_PARAM_RSA_E, kind->size);
	b = number(key, ec ? OSSL_PKEY_PARAM_EC_PUB_Y : OSSL_PKEY_PARAM_RSA_N, kind->size);
	if (a != NULL && b != NULL && ec)
		n = asprintf(&jwk, "{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}",
		             kind->curve, a, b);
	else if (a != NULL && b != NULL)
		n = asprintf(&jwk, "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", a, b);
	free(a);
	free(b);
	ERR_clear_error();
	return n < 0 ? NULL : jwk;
}

int jws_thumbprint(const EVP_PKEY *key, char out[static JWS_THUMBPRINT])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char *jwk;

	if (kind_of(key) == NULL)
		return -EINVAL;
	if ((jwk = jws_jwk(key)) == NULL)
		return -ENOMEM;
	SHA256((const unsigned char *)jwk, strlen(jwk), digest);
	base64url_encode(out, digest, sizeof(digest));
	free(jwk);
	return 0;
}

/* OpenSSL writes a signature of ECDSA as DER; JWS wants both numbers side by side. */
static int raw_ecdsa(unsigned char *sig, size_t *len, size_t size)
{
	const unsigned char *at = sig;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)*len);
	int r = -ENOMEM;

	if (pair == NULL)
		return r;
	if (BN_bn2binpad(ECDSA_SIG_get0_r(pair), sig, (int)size) >= 0 &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(pair), sig + size, (int)size) >= 0) {
		*len = 2 * size;
		r = 0;
	}
	ECDSA_SIG_free(pair);
	return r;
}

static int sign(EVP_PKEY *key, const char *text, unsigned char sig[static SIGNATURE_MAX],
                size_t *len)
{
	const struct kind *kind = kind_of(key);
	EVP_MD_CTX *ctx;
	int r = -ENOMEM;

	if (kind == NULL || EVP_PKEY_get_size(key) > SIGNATURE_MAX)
		return -EINVAL;
	if ((ctx = EVP_MD_CTX_new()) == NULL)
		return -ENOMEM;
	*len = SIGNATURE_MAX;
	if (EVP_DigestSignInit_ex(ctx, NULL, kind->digest, NULL, NULL, key, NULL) == 1 &&
	    EVP_DigestSign(ctx, sig, len, (const unsigned char *)text, strlen(text)) == 1)
		r = kind->size == 0 ? 0 : raw_ecdsa(sig, len, kind->size);
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return r;
}

/* What is signed: both parts in base64url with a dot between; *dot is where. */
static char *signing_input(const char *header, const char *payload, size_t *dot)
{
	size_t a = strlen(header), b = strlen(payload);
	char *text = malloc(BASE64URL_SIZE(a) + BASE64URL_SIZE(b));

	if (text == NULL)
		return NULL;
	*dot = base64url_encode(text, header, a);
	text[*dot] = '.';
	base64url_encode(text + *dot + 1, payload, b);
	return text;
}

static int serialize(const char *input, size_t dot, const unsigned char *sig, size_t len,
                     char **out)
{
	char *text = base64url_dup(sig, len);
	int n;

	if (text == NULL)
		return -ENOMEM;
	n = asprintf(out, "{\"protected\":\"%.*s\",\"payload\":\"%s\",\"signature\":\"%s\"}",
	             (int)dot, input, input + dot + 1, text);
	free(text);
	return n < 0 ? -ENOMEM : 0;
}

int jws_sign(EVP_PKEY *key, const char *header, const char *payload, char **out)
{
	unsigned char sig[SIGNATURE_MAX];
	size_t dot, len;
	char *input = signing_input(header, payload, &dot);
	int r;

	if (input == NULL)
		return -ENOMEM;
	if ((r = sign(key, input, sig, &len)) == 0)
		r = serialize(input, dot, sig, len, out);
	free(input);
	return r;
}

int jws_mac(const unsigned char *key, size_t key_len, const char *header, const char *payload,
            char **out)
{
	unsigned char mac[SHA256_DIGEST_LENGTH];
	unsigned len = sizeof(mac);
	size_t dot;
	char *input = signing_input(header, payload, &dot);
	int r = -ENOMEM;

	if (input == NULL)
		return -ENOMEM;
	if (HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)input, strlen(input), mac,
	         &len) != NULL)
		r = serialize(input, dot, mac, len, out);
	free(input);
	return r;
}
