/*
 * Signed JSON: JWS in the flattened serialization (RFC 7515, 7.2.2), JWK (RFC 7517) and its
 * thumbprint (RFC 7638).  Keys are P-256 (ES256), P-384 (ES384) and RSA (RS256).
 */
#ifndef LETSENCRYPT_JWS_H
#define LETSENCRYPT_JWS_H

#include <openssl/types.h>

#include <stddef.h>

/* Room for a thumbprint with NUL: 32 bytes in base64url. */
#define JWS_THUMBPRINT 44

/* "ES256", ...; NULL: a key of another kind. */
const char *jws_alg(const EVP_PKEY *key);

/* The public key as JSON, its members in the order of the thumbprint, without spaces.  To be
 * freed; NULL: another kind of key, or no memory. */
char *jws_jwk(const EVP_PKEY *key);

/* -EINVAL: another kind of key.  -ENOMEM. */
int jws_thumbprint(const EVP_PKEY *key, char out[static JWS_THUMBPRINT]);

/* Signs `payload` under `header`, both JSON as it shall be sent ("" is the payload of a
 * POST-as-GET).  *out is to be freed.  -EINVAL: another kind of key.  -ENOMEM. */
int jws_sign(EVP_PKEY *key, const char *header, const char *payload, char **out);
/* The same with HS256. */
int jws_mac(const unsigned char *key, size_t key_len, const char *header, const char *payload,
            char **out);

#endif
