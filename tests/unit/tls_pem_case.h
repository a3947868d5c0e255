/*
 * For tests of what plugins provide: certificates and keys as PEM in memory.
 */
#ifndef TLS_PEM_CASE_H
#define TLS_PEM_CASE_H

#include "tls_case.h"

#include <netbird-signal/plugin.h>

/* What a plugin would hand over; freed when the program ends. */
struct pem {
	char *chain, *key;
	size_t chain_len, key_len;
};

static inline char *text_of_bio(BIO *bio, size_t *len)
{
	char *bytes, *copy;
	long n = BIO_get_mem_data(bio, &bytes);

	copy = malloc((size_t)n + 1);
	cr_assert(copy != NULL);
	memcpy(copy, bytes, (size_t)n);
	copy[n] = '\0';
	*len = (size_t)n;
	BIO_free(bio);
	return copy;
}

static inline char *key_text(const struct made *m, const char *passphrase, size_t *len)
{
	BIO *bio = BIO_new(BIO_s_mem());

	cr_assert(PEM_write_bio_PKCS8PrivateKey(
		      bio, m->key, passphrase != NULL ? EVP_aes_128_cbc() : NULL, passphrase,
		      passphrase != NULL ? 4 : 0, NULL, NULL) == 1);
	return text_of_bio(bio, len);
}

static inline struct pem pem_of(const struct made *m)
{
	struct pem pem;
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(bio, m->cert);
	pem.chain = text_of_bio(bio, &pem.chain_len);
	pem.key = key_text(m, NULL, &pem.key_len);
	return pem;
}

static inline struct nbs_cert cert_of(const char *name, const struct made *m)
{
	const struct pem pem = pem_of(m);

	return (struct nbs_cert){.size = sizeof(struct nbs_cert),
	                         .name = name,
	                         .chain = pem.chain,
	                         .chain_len = pem.chain_len,
	                         .key = pem.key,
	                         .key_len = pem.key_len};
}

#endif
