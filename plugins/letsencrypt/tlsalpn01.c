/* tls-alpn-01 (RFC 8737): a certificate that only those get who ask for acme-tls/1. */
#include "challenges_private.h"

#include <openssl/evp.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct names {
	char cert[NBS_NAME_MAX + 16];   /* by which the daemon knows it */
	char server_name[NBS_NAME_MAX]; /* for which a client asks */
};

static int name(const struct acme_challenge *c, struct names *names)
{
	snprintf(names->cert, sizeof(names->cert), TLSALPN01_PROTOCOL ":%s", c->identifier.value);
	return keys_server_name(&c->identifier, names->server_name, sizeof(names->server_name));
}

static int provide(const struct challenges_tls *tls, EVP_PKEY *key, const char *chain,
                   const struct names *names)
{
	struct nbs_cert cert = {.size = sizeof(cert),
	                        .name = names->cert,
	                        .chain = chain,
	                        .chain_len = strlen(chain),
	                        .server_name = names->server_name,
	                        .alpn = TLSALPN01_PROTOCOL};
	size_t len;
	char *pem = keys_to_pem(key, &len);
	int r;

	if (pem == NULL)
		return -ENOMEM;
	cert.key = pem;
	cert.key_len = len;
	r = tls->provide(tls->arg, &cert);
	keys_pem_free(pem, len);
	return r;
}

int tlsalpn01_begin(const struct challenges_tls *tls, const struct acme_challenge *c,
                    struct failure *f)
{
	EVP_PKEY *key = keys_generate(KEY_P256);
	struct names names;
	char *chain = NULL;
	int r = -ENOMEM;

	if (key != NULL && (r = name(c, &names)) == 0 &&
	    (r = keys_alpn_challenge(key, &c->identifier, c->key_authorization, &chain)) == 0)
		r = provide(tls, key, chain, &names);
	free(chain);
	EVP_PKEY_free(key);
	if (r < 0)
		return failure_set(f, FAILURE_LOCAL, r,
		                   "tls-alpn-01: the certificate for %s cannot be served: %s",
		                   c->identifier.value, strerror(-r));
	return 0;
}

void tlsalpn01_end(const struct challenges_tls *tls, const struct acme_challenge *c)
{
	struct names names;

	if (name(c, &names) == 0)
		tls->withdraw(tls->arg, names.cert);
}
