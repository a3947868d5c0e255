/* Private keys, requests for certificates, and the certificates that we sign ourselves. */
#ifndef LETSENCRYPT_KEYS_H
#define LETSENCRYPT_KEYS_H

#include "acme.h"

#include <openssl/types.h>

/* The longest private key that is read: that of RSA with 16384 bits has 13 KiB. */
#define KEYS_PEM_MAX (32 * 1024)
/* id-pe-acmeIdentifier (RFC 8737, 6.1). */
#define KEYS_ACME_IDENTIFIER "1.3.6.1.5.5.7.1.31"

enum key_type { KEY_P256, KEY_P384, KEY_RSA2048, KEY_RSA3072, KEY_RSA4096 };

/* NULL: OpenSSL cannot. */
EVP_PKEY *keys_generate(enum key_type type);
/* Whether a key is of that type. */
bool keys_is(const EVP_PKEY *key, enum key_type type);
/* PEM (PKCS #8), not encrypted, ended by NUL; to be freed with keys_pem_free(), which wipes it. */
char *keys_to_pem(EVP_PKEY *key, size_t *len);
EVP_PKEY *keys_from_pem(const char *pem, size_t len);
void keys_pem_free(char *pem, size_t len);
/* With which it signs: SHA-384 for P-384, otherwise SHA-256. */
const EVP_MD *keys_digest(const EVP_PKEY *key);

/* A request for a certificate (RFC 2986) with the identifiers as subjectAltName and the first that
 * is a name of at most 64 bytes as common name.  DER, to be freed.  -ENOMEM, -EINVAL. */
int keys_csr(EVP_PKEY *key, const struct acme_identifier *ids, size_t n, unsigned char **der,
             size_t *len);

/* Signed by itself; PEM, to be freed.  For the time before there is a real one. */
int keys_self_signed(EVP_PKEY *key, const struct acme_identifier *ids, size_t n, unsigned days,
                     char **pem);
/* The certificate of tls-alpn-01 (RFC 8737, 3): critical acmeIdentifier with the digest of the key
 * authorization. */
int keys_alpn_challenge(EVP_PKEY *key, const struct acme_identifier *id,
                        const char *key_authorization, char **pem);
/* SHA-256 of a key authorization (RFC 8555, 8.1): what tls-alpn-01 and dns-01 show. */
void keys_authorization_digest(const char *key_authorization, unsigned char digest[static 32]);
/* The server name (SNI) under which a CA asks for an identifier: a name itself; of an address its
 * reverse name (RFC 8738, 6).  -EINVAL, -ENOSPC. */
int keys_server_name(const struct acme_identifier *id, char *name, size_t size);

#endif
