/* A certificate and its key as they were issued: what is in them, and whether they still serve. */
#ifndef LETSENCRYPT_CERTIFICATE_H
#define LETSENCRYPT_CERTIFICATE_H

#include "keys.h"

#include <time.h>

struct certificate {
	X509 *leaf;
	EVP_PKEY *key;
	char *chain; /* PEM, the leaf first, ended by NUL; as we write it, not as it came */
	time_t not_before, not_after;
};

/* Parses and checks that they belong together, and that the chain is of certificates only.  It has
 * a reference of its own to `key`.  -EINVAL, -ENOMEM; *why is static text. */
int certificate_parse(struct certificate **out, const char *chain, EVP_PKEY *key, const char **why);
void certificate_free(struct certificate *c);

/* Whether it is for these identifiers, at least, and has a key of this type. */
bool certificate_fits(const struct certificate *c, const struct acme_identifier *ids, size_t n,
                      enum key_type type);

#endif
