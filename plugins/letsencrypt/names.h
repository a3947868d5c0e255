/* The host names and addresses that a certificate is for, as people write them in a list. */
#ifndef LETSENCRYPT_NAMES_H
#define LETSENCRYPT_NAMES_H

#include "acme.h"

#define NAMES_MAX 100

struct names {
	struct acme_identifier ids[NAMES_MAX]; /* in lower case, addresses in their usual form */
	size_t n;
};

/* Commas between them; none at all is an empty list.  -EINVAL with a sentence in `why` about the
 * first that cannot be in a certificate; -ENOMEM.  On an error nothing is left to free. */
int names_parse(struct names *out, const char *list, char *why, size_t size);
void names_free(struct names *names);

bool names_equal(const struct names *a, const struct names *b);
bool names_have_wildcard(const struct names *names);
bool names_have_address(const struct names *names);
/* All of them for a person, "a.example.org, 192.0.2.1"; cut off with how many more there are. */
void names_text(const struct names *names, const char *between, char *text, size_t size);

#endif
