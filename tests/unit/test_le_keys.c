/* Keys, requests and certificates of plugins/letsencrypt, as the openssl command reads them. */
#include "../../plugins/letsencrypt/certificate.h"
#include "../../plugins/letsencrypt/identifiers.h"
#include "le_case.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

TestSuite(le_keys, .init = case_make_dir, .fini = case_remove_dir, .timeout = 60);

static const struct acme_identifier mixed[] = {
    {ACME_DNS, "signal.example.org"},
    {ACME_DNS, "*.example.org"},
    {ACME_IP, "192.0.2.1"},
    {ACME_IP, "2001:db8::1"},
};

static const char *const type_names[] = {"ec256", "ec384", "rsa2048", "rsa3072", "rsa4096"};

static void check_type(enum key_type type, const char *says)
{
	EVP_PKEY *key = keys_generate(type), *again;
	char *pem;
	size_t len;

	cr_assert(key != NULL);
	for (int t = KEY_P256; t <= KEY_RSA4096; t++)
		cr_assert_eq(keys_is(key, (enum key_type)t), t == (int)type, "%s", type_names[t]);
	cr_assert((pem = keys_to_pem(key, &len)) != NULL);
	cr_assert_eq(strlen(pem), len);
	cr_assert(strncmp(pem, "-----BEGIN PRIVATE KEY-----\n", 28) == 0);
	cr_assert(strstr(case_output("openssl pkey -noout -text -in %s",
	                             case_write("key.pem", 0600, pem, len)),
	                 says) != NULL);
	cr_assert((again = keys_from_pem(pem, len)) != NULL);
	cr_assert_eq(EVP_PKEY_eq(key, again), 1);
	EVP_PKEY_free(again);
	keys_pem_free(pem, len);
	EVP_PKEY_free(key);
}

Test(le_keys, of_every_type)
{
	check_type(KEY_P256, "ASN1 OID: prime256v1");
	check_type(KEY_P384, "ASN1 OID: secp384r1");
	check_type(KEY_RSA2048, "Private-Key: (2048 bit");
	check_type(KEY_RSA3072, "Private-Key: (3072 bit");
}

Test(le_keys, are_not_read_from_something_else)
{
	static const char encrypted[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
					"MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg=\n"
					"-----END ENCRYPTED PRIVATE KEY-----\n";

	cr_assert(keys_from_pem("", 0) == NULL);
	cr_assert(keys_from_pem("no key", 6) == NULL);
	cr_assert(keys_from_pem(encrypted, sizeof(encrypted) - 1) == NULL);
	cr_assert(keys_from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n", 33) == NULL);
}

static const char *csr_text(EVP_PKEY *key, const struct acme_identifier *ids, size_t n)
{
	unsigned char *der;
	size_t len;
	char *text;

	cr_assert_eq(keys_csr(key, ids, n, &der, &len), 0);
	text = case_output("openssl req -inform DER -noout -text -verify -in %s 2>&1",
	                   case_write("csr.der", 0600, der, len));
	free(der);
	cr_assert(strstr(text, "self-signature verify OK") != NULL, "%s", text);
	return text;
}

Test(le_keys, request)
{
	EVP_PKEY *key = keys_generate(KEY_P256);
	const char *text = csr_text(key, mixed, 4);

	cr_assert(strstr(text, "Subject: CN = signal.example.org\n") != NULL, "%s", text);
	cr_assert(strstr(text, "DNS:signal.example.org, DNS:*.example.org, IP Address:192.0.2.1, "
	                       "IP Address:2001:DB8:0:0:0:0:0:1\n") != NULL,
	          "%s", text);
	cr_assert(strstr(text, "ecdsa-with-SHA256") != NULL);
	EVP_PKEY_free(key);
}

Test(le_keys, request_of_addresses_has_no_common_name)
{
	EVP_PKEY *key = keys_generate(KEY_P384);
	const char *text = csr_text(key, mixed + 2, 2);

	cr_assert(strstr(text, "CN = ") == NULL, "%s", text);
	cr_assert(strstr(text, "IP Address:192.0.2.1") != NULL, "%s", text);
	cr_assert(strstr(text, "ecdsa-with-SHA384") != NULL);
	EVP_PKEY_free(key);
}

Test(le_keys, request_with_a_long_name_takes_the_next_as_common_name)
{
	static const struct acme_identifier ids[] = {
	    {ACME_DNS,
	     "a-name-that-is-longer-than-the-64-bytes-that-a-common-name.may-have.example"},
	    {ACME_DNS, "short.example"},
	};
	EVP_PKEY *key = keys_generate(KEY_P256);

	cr_assert(strstr(csr_text(key, ids, 2), "Subject: CN = short.example\n") != NULL);
	EVP_PKEY_free(key);
}

Test(le_keys, request_of_what_is_no_identifier)
{
	static const struct acme_identifier bad[] = {
	    {ACME_DNS, ""},        {ACME_DNS, "a b"},
	    {ACME_DNS, "a\nb"},    {ACME_DNS, "ex\xc3\xa4mple"},
	    {ACME_DNS, "-x.test"}, {ACME_IP, "192.0.2"},
	    {ACME_IP, "::1::"},    {ACME_IP, "example.org"},
	};
	EVP_PKEY *key = keys_generate(KEY_P256);
	unsigned char *der;
	size_t len;
	char *pem;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(keys_csr(key, &bad[i], 1, &der, &len), -EINVAL, "%s", bad[i].value);
		cr_assert_eq(keys_self_signed(key, &bad[i], 1, 1, &pem), -EINVAL, "%s",
		             bad[i].value);
		cr_assert_not(identifiers_valid(&bad[i]), "%s", bad[i].value);
	}
	cr_assert_eq(keys_csr(key, mixed, 0, &der, &len), -EINVAL);
	EVP_PKEY_free(key);
}

static struct certificate *parse(const char *pem, EVP_PKEY *key)
{
	struct certificate *c = NULL;
	const char *why;

	cr_assert_eq(certificate_parse(&c, pem, key, &why), 0, "%s", why);
	return c;
}

static char *text_of(const char *pem)
{
	return case_output("openssl x509 -noout -text -in %s",
	                   case_write("cert.pem", 0600, pem, strlen(pem)));
}

Test(le_keys, self_signed)
{
	EVP_PKEY *key = keys_generate(KEY_P256);
	char *pem, *other, *text;
	struct certificate *c, *d;
	time_t now = time(NULL);

	cr_assert_eq(keys_self_signed(key, mixed, 4, 30, &pem), 0);
	cr_assert_eq(keys_self_signed(key, mixed, 4, 30, &other), 0);
	text = text_of(pem);
	cr_assert(strstr(text, "Subject: O = \"netbird-signal (temporary, self-signed)\", CN = "
	                       "signal.example.org\n") != NULL,
	          "%s", text);
	cr_assert(strstr(text, "DNS:signal.example.org, DNS:*.example.org, IP Address:192.0.2.1, "
	                       "IP Address:2001:DB8:0:0:0:0:0:1\n") != NULL,
	          "%s", text);
	cr_assert(strstr(text, "Version: 3") != NULL);
	cr_assert(strstr(text, "CA:FALSE") != NULL);
	c = parse(pem, key);
	d = parse(other, key);
	cr_assert(c->not_before <= now - 3500 && c->not_before >= now - 3700);
	cr_assert(c->not_after >= now + 29 * 86400 && c->not_after <= now + 30 * 86400 + 60);
	cr_assert_neq(
	    ASN1_INTEGER_cmp(X509_get0_serialNumber(c->leaf), X509_get0_serialNumber(d->leaf)), 0,
	    "two certificates of one serial number");
	case_output(
	    "openssl verify -CAfile %s/cert.pem -verify_hostname signal.example.org %s/cert.pem",
	    case_dir, case_dir);
	certificate_free(c);
	certificate_free(d);
	free(pem);
	free(other);
	EVP_PKEY_free(key);
}

/* RFC 8737, 3: the digest of "abc" is the one of FIPS 180. */
Test(le_keys, certificate_of_tls_alpn_01)
{
	static const char digest[] =
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	EVP_PKEY *key = keys_generate(KEY_P256);
	char *pem, *text;

	cr_assert_eq(keys_alpn_challenge(key, &mixed[0], "abc", &pem), 0);
	text = text_of(pem);
	cr_assert(strstr(text, "X509v3 Subject Alternative Name: \n                "
	                       "DNS:signal.example.org\n") != NULL,
	          "%s", text);
	cr_assert(strstr(text, "1.3.6.1.5.5.7.1.31: critical\n") != NULL, "%s", text);
	text = case_output(
	    "openssl asn1parse -in %s/cert.pem | grep -A2 1.3.6.1.5.5.7.1.31 | tr A-F a-f",
	    case_dir);
	cr_assert(strstr(text, "0420ba7816bf") != NULL && strstr(text, digest) != NULL, "%s", text);
	free(pem);
	EVP_PKEY_free(key);
}

Test(le_keys, certificate_of_tls_alpn_01_for_an_address)
{
	EVP_PKEY *key = keys_generate(KEY_P256);
	struct certificate *c;
	char *pem;

	cr_assert_eq(keys_alpn_challenge(key, &mixed[3], "abc", &pem), 0);
	c = parse(pem, key);
	cr_assert(identifiers_match(c->leaf, &mixed[3], 1));
	cr_assert_not(identifiers_match(c->leaf, &mixed[2], 1));
	certificate_free(c);
	free(pem);
	EVP_PKEY_free(key);
}

/* The examples of RFC 8738, 6, and of RFC 3596, 2.5, for another address. */
Test(le_keys, server_names)
{
	static const struct acme_identifier none = {ACME_IP, "none"};
	char name[256];

	cr_assert_eq(keys_server_name(&mixed[0], name, sizeof(name)), 0);
	cr_assert_str_eq(name, "signal.example.org");
	cr_assert_eq(keys_server_name(&mixed[2], name, sizeof(name)), 0);
	cr_assert_str_eq(name, "1.2.0.192.in-addr.arpa");
	cr_assert_eq(keys_server_name(&mixed[3], name, sizeof(name)), 0);
	cr_assert_str_eq(name, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
	                       "8.b.d.0.1.0.0.2.ip6.arpa");
	cr_assert_eq(keys_server_name(&none, name, sizeof(name)), -EINVAL);
	for (size_t size = 1; size <= strlen("1.2.0.192.in-addr.arpa"); size++)
		cr_assert_eq(keys_server_name(&mixed[2], name, size), -ENOSPC, "%zu", size);
	cr_assert_eq(keys_server_name(&mixed[0], name, 5), -ENOSPC);
}

Test(le_keys, certificate_fits)
{
	static const struct acme_identifier same[] = {{ACME_IP, "2001:0db8:0::0001"},
	                                              {ACME_IP, "192.0.2.1"},
	                                              {ACME_DNS, "Signal.EXAMPLE.org"},
	                                              {ACME_DNS, "*.example.org"}};
	static const struct acme_identifier other[] = {{ACME_DNS, "signal.example.org"},
	                                               {ACME_DNS, "*.example.org"},
	                                               {ACME_IP, "192.0.2.1"},
	                                               {ACME_IP, "2001:db8::2"}};
	EVP_PKEY *key = keys_generate(KEY_P256);
	struct certificate *c;
	char *pem;

	cr_assert_eq(keys_self_signed(key, mixed, 4, 30, &pem), 0);
	c = parse(pem, key);
	cr_assert(certificate_fits(c, mixed, 4, KEY_P256));
	cr_assert(certificate_fits(c, same, 4, KEY_P256));
	cr_assert_not(certificate_fits(c, mixed, 4, KEY_P384));
	cr_assert_not(certificate_fits(c, mixed, 4, KEY_RSA2048));
	cr_assert(certificate_fits(c, mixed, 3, KEY_P256), "it may have one more");
	cr_assert_not(certificate_fits(c, other, 4, KEY_P256));
	cr_assert_not(certificate_fits(c, mixed, 0, KEY_P256));
	certificate_free(c);
	free(pem);
	EVP_PKEY_free(key);
}

static void refuse(const char *chain, EVP_PKEY *key, const char *says)
{
	struct certificate *c = NULL;
	const char *why = "";

	cr_assert_eq(certificate_parse(&c, chain, key, &why), -EINVAL, "%s", says);
	cr_assert(strstr(why, says) != NULL, "\"%s\", not \"%s\"", why, says);
}

Test(le_keys, chain)
{
	EVP_PKEY *key = keys_generate(KEY_P256), *other = keys_generate(KEY_P256);
	char *a, *b, *pem, chain[65536];
	struct certificate *c;
	size_t len;

	cr_assert_eq(keys_self_signed(key, mixed, 1, 30, &a), 0);
	cr_assert_eq(keys_self_signed(other, mixed, 1, 30, &b), 0);
	cr_assert((pem = keys_to_pem(other, &len)) != NULL);

	snprintf(chain, sizeof(chain), "a word of the CA's\n%s\nand another\n%s\n", a, b);
	c = parse(chain, key);
	snprintf(chain, sizeof(chain), "%s%s", a, b);
	cr_assert_str_eq(c->chain, chain);
	certificate_free(c);

	refuse(a, other, "do not belong together");
	snprintf(chain, sizeof(chain), "%s%s", b, a);
	refuse(chain, key, "do not belong together");
	refuse("", key, "no certificate");
	refuse("nothing", key, "no certificate");
	snprintf(chain, sizeof(chain), "%s%s", a, pem);
	refuse(chain, key, "something other than certificates");
	snprintf(chain, sizeof(chain), "%s%.200s", a, b);
	refuse(chain, key, "no PEM");
	snprintf(chain, sizeof(chain),
	         "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", a);
	refuse(chain, key, "does not parse");
	len = 0;
	for (int i = 0; i < 17; i++)
		len += (size_t)snprintf(chain + len, sizeof(chain) - len, "%s", a);
	refuse(chain, key, "too many");

	free(a);
	free(b);
	keys_pem_free(pem, strlen(pem));
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}
