/* Names of certificates.  Those of an address are left out: clients that use one send no name. */
#include "certs.h"

#include <openssl/x509v3.h>

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Adds a name; one with a NUL or anything else that is in no host name is passed over. */
static int add(struct certs_names *out, const unsigned char *bytes, int len)
{
	char **names;
	char *name;

	if (len <= 0 || len > 255)
		return 0;
	for (int i = 0; i < len; i++)
		if (bytes[i] <= ' ' || bytes[i] >= 0x7f)
			return 0;
	if ((names = realloc(out->names, (out->n + 1) * sizeof(*names))) == NULL)
		return -ENOMEM;
	out->names = names;
	if ((name = strndup((const char *)bytes, (size_t)len)) == NULL)
		return -ENOMEM;
	for (char *c = name; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	out->names[out->n++] = name;
	return 0;
}

static int add_common_name(struct certs_names *out, X509 *cert)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	const ASN1_STRING *text;

	if (at < 0)
		return 0;
	text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	return add(out, ASN1_STRING_get0_data(text), ASN1_STRING_length(text));
}

int certs_names_take(struct certs_names *out, X509 *cert)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int r = 0;

	*out = (struct certs_names){0};
	for (int i = 0; r == 0 && i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);

		if (name->type == GEN_DNS)
			r = add(out, ASN1_STRING_get0_data(name->d.dNSName),
			        ASN1_STRING_length(name->d.dNSName));
	}
	GENERAL_NAMES_free(all);
	if (r == 0 && out->n == 0)
		r = add_common_name(out, cert);
	return r;
}

int certs_names_set(struct certs_names *out, const char *name)
{
	const size_t len = strlen(name);

	certs_names_free(out);
	/* A dot at the end means the same name (RFC 1034, 3.1). */
	return add(out, (const unsigned char *)name,
	           (int)(len > 0 && name[len - 1] == '.' ? len - 1 : len));
}

void certs_names_free(struct certs_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct certs_names){0};
}

static bool matches(const char *name, const char *wanted, size_t len)
{
	const char *rest;

	if (strlen(name) == len && strncasecmp(name, wanted, len) == 0)
		return true;
	if (strncmp(name, "*.", 2) != 0 || (rest = memchr(wanted, '.', len)) == NULL ||
	    rest == wanted)
		return false;
	len -= (size_t)(rest - wanted);
	return strlen(name + 1) == len && strncasecmp(name + 1, rest, len) == 0;
}

bool certs_names_match(const struct certs_names *names, const char *wanted)
{
	size_t len = strlen(wanted);

	if (len > 0 && wanted[len - 1] == '.')
		len--;
	for (size_t i = 0; i < names->n; i++)
		if (matches(names->names[i], wanted, len))
			return true;
	return false;
}
