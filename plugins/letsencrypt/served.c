#include "served.h"

#include <openssl/evp.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CERTIFICATE "certificate"
#define TEMPORARY "temporary"
/* Long enough for any outage of a CA; nobody trusts it anyway. */
#define TEMPORARY_DAYS 90

struct change {
	struct nbs_host *host;
	const struct nbs_cert *cert; /* NULL: `name` goes */
	const char *name;
};

static int do_change(void *arg)
{
	const struct change *c = arg;

	return c->cert != NULL ? c->host->cert_provide(c->host, c->cert)
	                       : c->host->cert_withdraw(c->host, c->name);
}

static int provide(void *arg, const struct nbs_cert *cert)
{
	struct served *s = arg;

	return errand_run(s->errand, do_change, &(struct change){.host = s->host, .cert = cert});
}

static int withdraw(void *arg, const char *name)
{
	struct served *s = arg;

	return errand_run(s->errand, do_change, &(struct change){.host = s->host, .name = name});
}

struct challenges_tls served_challenges(struct served *s)
{
	return (struct challenges_tls){.provide = provide, .withdraw = withdraw, .arg = s};
}

static int provide_pair(struct served *s, const char *name, const char *chain, EVP_PKEY *key,
                        unsigned flags)
{
	size_t key_len;
	char *pem = keys_to_pem(key, &key_len);
	int r;

	if (pem == NULL)
		return -ENOMEM;
	r = provide(s, &(struct nbs_cert){.size = sizeof(struct nbs_cert),
	                                  .name = name,
	                                  .chain = chain,
	                                  .chain_len = strlen(chain),
	                                  .key = pem,
	                                  .key_len = key_len,
	                                  .flags = flags});
	keys_pem_free(pem, key_len);
	return r;
}

int served_certificate(struct served *s, const struct certificate *c)
{
	int r = provide_pair(s, CERTIFICATE, c->chain, c->key, 0);

	if (r < 0 || !s->temporary)
		return r;
	s->temporary = false;
	return withdraw(s, TEMPORARY);
}

int served_temporary(struct served *s, const struct acme_identifier *ids, size_t n)
{
	EVP_PKEY *key = keys_generate(KEY_P256);
	char *chain = NULL;
	int r = -ENOMEM;

	if (key != NULL && (r = keys_self_signed(key, ids, n, TEMPORARY_DAYS, &chain)) == 0)
		r = provide_pair(s, TEMPORARY, chain, key, NBS_CERT_FALLBACK);
	if (r == 0)
		s->temporary = true;
	free(chain);
	EVP_PKEY_free(key);
	return r;
}
