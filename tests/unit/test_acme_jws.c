/* Signatures: the examples of RFC 7515, 7517 and 7638. */
#include "../../plugins/letsencrypt/base64url.h"
#include "../../plugins/letsencrypt/jws.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 7515, appendix A: the payload of all its examples, and of A.2 the key. */
static const char payload[] =
    "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
static const char payload64[] = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
				"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
static const char a2_n[] = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"
			   "4qPCJrcS2mJPMEzP1Pt0Bm4d4Ql"
			   "L-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"
			   "bSf63kpaSHSXndS5z5rexMdbBYUs"
			   "LA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_"
			   "I5IhlJH7aGhyxXFvUK-DWNmoud"
			   "F8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
static const char a2_d[] =
    "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-"
    "7YwVol2NXOoAJe"
    "46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_"
    "V51gfpRLI9J"
    "YanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_"
    "jTj3ccPDVZFD9pIuh"
    "LhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ";

static BIGNUM *number(const char *text)
{
	unsigned char bytes[512];
	size_t len;

	cr_assert_eq(base64url_decode(bytes, sizeof(bytes), text, &len), 0, "%s", text);
	return BN_bin2bn(bytes, (int)len, NULL);
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld, int selection)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	cr_assert_eq(EVP_PKEY_fromdata_init(ctx), 1);
	cr_assert_eq(EVP_PKEY_fromdata(ctx, &key, selection, params), 1);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	return key;
}

/* d: NULL for a public key. */
static EVP_PKEY *rsa_key(const char *n, const char *d)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *numbers[] = {number(n), number("AQAB"), d != NULL ? number(d) : NULL};
	EVP_PKEY *key;

	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, numbers[0]);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, numbers[1]);
	if (d != NULL)
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_D, numbers[2]);
	key = from_params("RSA", bld, d != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY);
	for (int i = 0; i < 3; i++)
		BN_free(numbers[i]);
	return key;
}

/* RFC 7515, A.3.1. */
static EVP_PKEY *a3_key(void)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *d = number("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
	unsigned char point[65] = {4};
	EVP_PKEY *key;
	size_t len;

	base64url_decode(point + 1, 32, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", &len);
	base64url_decode(point + 33, 32, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", &len);
	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
	OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point));
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d);
	key = from_params("EC", bld, EVP_PKEY_KEYPAIR);
	BN_free(d);
	return key;
}

Test(jws, example_a1_hs256)
{
	unsigned char key[64];
	char *jws, expected[512];
	size_t len;

	cr_assert_eq(
	    base64url_decode(key, sizeof(key),
	                     "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0"
	                     "iPS4hcgUuTwjAzZr1Z9CAow",
	                     &len),
	    0);
	cr_assert_eq(jws_mac(key, len, "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}", payload, &jws),
	             0);
	snprintf(expected, sizeof(expected),
	         "{\"protected\":\"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\",\"payload\":\"%s\","
	         "\"signature\":\"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk\"}",
	         payload64);
	cr_assert_str_eq(jws, expected);
	free(jws);
}

Test(jws, example_a2_rs256)
{
	EVP_PKEY *key = rsa_key(a2_n, a2_d);
	char *jws, expected[1024];

	cr_assert_str_eq(jws_alg(key), "RS256");
	cr_assert_eq(jws_sign(key, "{\"alg\":\"RS256\"}", payload, &jws), 0);
	snprintf(
	    expected, sizeof(expected),
	    "{\"protected\":\"eyJhbGciOiJSUzI1NiJ9\",\"payload\":\"%s\",\"signature\":\""
	    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
	    "O8W"
	    "2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
	    "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkS"
	    "jtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
	    "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv"
	    "Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw\"}",
	    payload64);
	cr_assert_str_eq(jws, expected);
	free(jws);
	EVP_PKEY_free(key);
}

/* Whether OpenSSL takes the signature of R and S (of `size` bytes each) below the input. */
static int verifies(EVP_PKEY *key, const char *digest, const char *input, const char *signature,
                    size_t size)
{
	unsigned char raw[256], *der = NULL;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len;
	int der_len, r;

	cr_assert_eq(base64url_decode(raw, sizeof(raw), signature, &len), 0);
	cr_assert_eq(len, 2 * size);
	ECDSA_SIG_set0(sig, BN_bin2bn(raw, (int)size, NULL),
	               BN_bin2bn(raw + size, (int)size, NULL));
	der_len = i2d_ECDSA_SIG(sig, &der);
	EVP_DigestVerifyInit_ex(ctx, NULL, digest, NULL, NULL, key, NULL);
	r = EVP_DigestVerify(ctx, der, (size_t)der_len, (const unsigned char *)input,
	                     strlen(input));
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	return r == 1;
}

/* "protected.payload" of a JWS, and its signature. */
static void take_apart(const char *jws, char *input, size_t size, char *signature)
{
	char head[256], body[512];

	cr_assert_eq(
	    sscanf(jws,
	           "{\"protected\":\"%255[^\"]\",\"payload\":\"%511[^\"]\",\"signature\":\""
	           "%255[^\"]\"}",
	           head, body, signature),
	    3, "%s", jws);
	snprintf(input, size, "%s.%s", head, body);
}

/* ECDSA differs each time: R and S must keep their width even when they begin with zeros. */
Test(jws, example_a3_es256)
{
	EVP_PKEY *key = a3_key();
	char input[1024], signature[256], *jws;

	cr_assert_str_eq(jws_alg(key), "ES256");
	snprintf(input, sizeof(input), "eyJhbGciOiJFUzI1NiJ9.%s", payload64);
	cr_assert(
	    verifies(key, "SHA256", input,
	             "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqP"
	             "P3-Kg6NU1Q",
	             32));
	for (int i = 0; i < 600; i++) {
		cr_assert_eq(jws_sign(key, "{\"alg\":\"ES256\"}", payload, &jws), 0);
		take_apart(jws, input, sizeof(input), signature);
		cr_assert(verifies(key, "SHA256", input, signature, 32), "%s", jws);
		free(jws);
	}
	EVP_PKEY_free(key);
}

Test(jws, a_p384_key_signs_es384)
{
	EVP_PKEY *key = EVP_EC_gen("P-384");
	char input[1024], signature[256], *jws, *jwk;

	cr_assert_str_eq(jws_alg(key), "ES384");
	cr_assert_eq(jws_sign(key, "{\"alg\":\"ES384\"}", payload, &jws), 0);
	take_apart(jws, input, sizeof(input), signature);
	cr_assert(verifies(key, "SHA384", input, signature, 48));
	jwk = jws_jwk(key);
	cr_assert_eq(strlen(jwk),
	             strlen("{\"crv\":\"P-384\",\"kty\":\"EC\",\"x\":\"\",\"y\":\"\"}") + 128);
	free(jwk);
	free(jws);
	EVP_PKEY_free(key);
}

Test(jws, a_post_as_get_has_an_empty_payload)
{
	EVP_PKEY *key = a3_key();
	char *jws;

	cr_assert_eq(jws_sign(key, "{}", "", &jws), 0);
	cr_assert_eq(strncmp(jws, "{\"protected\":\"e30\",\"payload\":\"\",\"signature\":\"", 45),
	             0);
	free(jws);
	EVP_PKEY_free(key);
}

Test(jws, the_public_key_as_json)
{
	EVP_PKEY *key = a3_key();
	char *jwk = jws_jwk(key);

	cr_assert_str_eq(jwk, "{\"crv\":\"P-256\",\"kty\":\"EC\","
	                      "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	                      "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
	free(jwk);
	EVP_PKEY_free(key);
}

/* RFC 7638, 3.1. */
Test(jws, thumbprint)
{
	EVP_PKEY *key = rsa_key(
	    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc"
	    "_"
	    "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-"
	    "65YGjQR0_"
	    "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-"
	    "bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
	    "kEgU8awapJzKnqDKgw",
	    NULL);
	char text[JWS_THUMBPRINT];

	cr_assert_eq(jws_thumbprint(key, text), 0);
	cr_assert_str_eq(text, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
	EVP_PKEY_free(key);
}

Test(jws, other_keys_are_refused)
{
	EVP_PKEY *keys[] = {EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_EC_gen("P-521")};
	char text[JWS_THUMBPRINT], *jws;

	for (int i = 0; i < 2; i++) {
		cr_assert_not_null(keys[i]);
		cr_assert_null(jws_alg(keys[i]));
		cr_assert_null(jws_jwk(keys[i]));
		cr_assert_eq(jws_thumbprint(keys[i], text), -EINVAL);
		cr_assert_eq(jws_sign(keys[i], "{}", "", &jws), -EINVAL);
		EVP_PKEY_free(keys[i]);
	}
}
