/* Names and addresses as certificates hold them (RFC 5280, 4.2.1.6). */
#ifndef LETSENCRYPT_IDENTIFIERS_H
#define LETSENCRYPT_IDENTIFIERS_H

#include "acme.h"

#include <openssl/x509v3.h>

/* What subjectAltName holds for them; to be freed with GENERAL_NAMES_free().  -EINVAL: one is
 * neither a name nor an address; -ENOMEM. */
int identifiers_to_names(const struct acme_identifier *ids, size_t n, GENERAL_NAMES **names);
/* Whether a certificate is for exactly these, in whatever order; names are equal in any case. */
bool identifiers_match(const X509 *cert, const struct acme_identifier *ids, size_t n);
/* Whether it is for all of these, and perhaps for more: some CAs add a name, and one that is no
 * longer wanted goes with the next renewal. */
bool identifiers_covered(const X509 *cert, const struct acme_identifier *ids, size_t n);
/* Whether it can be part of a certificate, and so of a URL and of a program's arguments: a CA says
 * it, and nothing else may come that way. */
bool identifiers_valid(const struct acme_identifier *id);
/* The bytes of an address in network order: 4, 16, or 0 if it is none. */
size_t identifiers_address(const struct acme_identifier *id, unsigned char bytes[static 16]);
/* The first that is a name of at most 64 bytes, as a common name is; NULL: none. */
const char *identifiers_common_name(const struct acme_identifier *ids, size_t n);

#endif
