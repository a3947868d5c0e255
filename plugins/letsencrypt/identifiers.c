/* Identifiers to subjectAltName and back. */
#include "identifiers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_BYTES 253 /* RFC 1035, 2.3.4, as text */

size_t identifiers_address(const struct acme_identifier *id, unsigned char bytes[static 16])
{
	if (id->kind != ACME_IP)
		return 0;
	if (inet_pton(AF_INET, id->value, bytes) == 1)
		return 4;
	return inet_pton(AF_INET6, id->value, bytes) == 1 ? 16 : 0;
}

/* No NUL can be in it: the bytes of a certificate's name have a length, ours have none. */
static bool is_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= NAME_MAX_BYTES && name[0] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._*") ==
	           len;
}

bool identifiers_valid(const struct acme_identifier *id)
{
	unsigned char address[16];

	return id->kind == ACME_IP ? identifiers_address(id, address) > 0 : is_name(id->value);
}

/* The bytes and the type of one name. */
static int encode(const struct acme_identifier *id, GENERAL_NAME *name)
{
	unsigned char address[16];
	const void *bytes = id->value;
	size_t len = strlen(id->value);
	ASN1_STRING *value;

	if (id->kind == ACME_IP) {
		bytes = address;
		if ((len = identifiers_address(id, address)) == 0)
			return -EINVAL;
	} else if (!is_name(id->value)) {
		return -EINVAL;
	}
	value = ASN1_STRING_type_new(id->kind == ACME_IP ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
	if (value == NULL)
		return -ENOMEM;
	if (ASN1_STRING_set(value, bytes, (int)len) == 0) {
		ASN1_STRING_free(value);
		return -ENOMEM;
	}
	GENERAL_NAME_set0_value(name, id->kind == ACME_IP ? GEN_IPADD : GEN_DNS, value);
	return 0;
}

static int append(GENERAL_NAMES *names, const struct acme_identifier *id)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	int r;

	if (name == NULL)
		return -ENOMEM;
	if ((r = encode(id, name)) == 0 && sk_GENERAL_NAME_push(names, name) == 0)
		r = -ENOMEM;
	if (r < 0)
		GENERAL_NAME_free(name);
	return r;
}

int identifiers_to_names(const struct acme_identifier *ids, size_t n, GENERAL_NAMES **names)
{
	GENERAL_NAMES *all;
	int r = n == 0 ? -EINVAL : 0;

	if ((all = sk_GENERAL_NAME_new_null()) == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++)
		r = append(all, &ids[i]);
	if (r < 0) {
		GENERAL_NAMES_free(all);
		return r;
	}
	*names = all;
	return 0;
}

static bool same(const GENERAL_NAME *name, const struct acme_identifier *id)
{
	unsigned char address[16];
	const void *bytes;
	int type, len;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);

	if (type != (id->kind == ACME_IP ? GEN_IPADD : GEN_DNS))
		return false;
	bytes = ASN1_STRING_get0_data(value);
	len = ASN1_STRING_length(value);
	if (id->kind == ACME_IP)
		return len > 0 && identifiers_address(id, address) == (size_t)len &&
		       memcmp(address, bytes, (size_t)len) == 0;
	return strlen(id->value) == (size_t)len && strncasecmp(id->value, bytes, (size_t)len) == 0;
}

static bool names_have(const GENERAL_NAMES *names, const struct acme_identifier *id)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		if (same(sk_GENERAL_NAME_value(names, i), id))
			return true;
	}
	return false;
}

static bool ids_have(const struct acme_identifier *ids, size_t n, const GENERAL_NAME *name)
{
	for (size_t i = 0; i < n; i++) {
		if (same(name, &ids[i]))
			return true;
	}
	return false;
}

static bool covered(const GENERAL_NAMES *names, const struct acme_identifier *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!names_have(names, &ids[i]))
			return false;
	}
	return n > 0;
}

bool identifiers_covered(const X509 *cert, const struct acme_identifier *ids, size_t n)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool all = names != NULL && covered(names, ids, n);

	GENERAL_NAMES_free(names);
	return all;
}

bool identifiers_match(const X509 *cert, const struct acme_identifier *ids, size_t n)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool match = names != NULL && covered(names, ids, n);

	for (int i = 0; match && i < sk_GENERAL_NAME_num(names); i++)
		match = ids_have(ids, n, sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
	return match;
}

const char *identifiers_common_name(const struct acme_identifier *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ids[i].kind == ACME_DNS && strlen(ids[i].value) <= 64) /* ub-common-name */
			return ids[i].value;
	}
	return NULL;
}
