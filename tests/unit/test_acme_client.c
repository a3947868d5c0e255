/* The ACME client without a server: settings, directories, and the names of certificates. */
#include "../../plugins/letsencrypt/acme_private.h"
#include "../../plugins/letsencrypt/pace.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#define DIR "https://ca.example:14000/dir"
#define NONCE "\"newNonce\":\"https://ca.example/n\""
#define ACCOUNT "\"newAccount\":\"https://ca.example/a\""
#define ORDER "\"newOrder\":\"https://ca.example/o\""

static int read_directory(const char *text, struct acme_directory *d, struct failure *f)
{
	json_t *json = json_loads(text, 0, NULL);
	int r;

	cr_assert_not_null(json, "%s", text);
	r = acme_directory_read(d, json, DIR, f);
	json_decref(json);
	return r;
}

Test(acme_directory, the_least)
{
	struct acme_directory d;
	struct failure f;

	cr_assert_eq(read_directory("{" NONCE "," ACCOUNT "," ORDER "}", &d, &f), 0);
	cr_assert_str_eq(d.new_nonce, "https://ca.example/n");
	cr_assert_str_eq(d.new_account, "https://ca.example/a");
	cr_assert_str_eq(d.new_order, "https://ca.example/o");
	cr_assert_null(d.renewal_info);
	cr_assert_null(d.profiles);
	cr_assert_not(d.wants_external_account);
	acme_directory_free(&d);
}

Test(acme_directory, all_that_is_used)
{
	struct acme_directory d;
	struct failure f;

	cr_assert_eq(
	    read_directory("{\"renewalInfo\":\"https://ca.example/ari\"," NONCE "," ACCOUNT
	                   "," ORDER ",\"x\":\"http://no.example\",\"meta\":{"
	                   "\"externalAccountRequired\":true,\"profiles\":{\"short\":\"six "
	                   "days\"}}}",
	                   &d, &f),
	    0);
	cr_assert_str_eq(d.renewal_info, "https://ca.example/ari");
	cr_assert(d.wants_external_account);
	cr_assert_str_eq(acme_text(d.profiles, "short"), "six days");
	acme_directory_free(&d);
}

Test(acme_directory, hostile_ones_are_refused)
{
	static const char missing[] = "ca.example:14000 does not answer as an ACME server: its "
				      "directory has no newNonce, newAccount or newOrder";
	static const char order[] =
	    "ca.example:14000 does not answer as an ACME server: newOrder of "
	    "its directory is no https:// URL";
	static const struct {
		const char *json, *text;
	} bad[] = {
	    {"{}", missing},
	    {"[]", missing},
	    {"{" NONCE "," ACCOUNT "}", missing},
	    {"{" NONCE "," ACCOUNT ",\"newOrder\":null}", missing},
	    {"{" NONCE "," ACCOUNT ",\"newOrder\":{}}", missing},
	    {"{" NONCE "," ACCOUNT ",\"newOrder\":\"\"}", order},
	    {"{" NONCE "," ACCOUNT ",\"newOrder\":\"http://ca.example/o\"}", order},
	    {"{" NONCE "," ACCOUNT ",\"newOrder\":\"file:///etc/passwd\"}", order},
	    {"{" NONCE "," ACCOUNT ",\"newOrder\":\"https://a:b@ca.example/\"}", order},
	    {"{" NONCE "," ACCOUNT ",\"newOrder\":\"https://ca.example/\\r\\nHost: x\"}", order},
	    {"{" NONCE "," ACCOUNT "," ORDER ",\"renewalInfo\":\"http://ca.example/\"}",
	     "ca.example:14000 does not answer as an ACME server: renewalInfo of its directory is "
	     "no "
	     "https:// URL"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct acme_directory d;
		struct failure f;

		cr_assert_eq(read_directory(bad[i].json, &d, &f), -EPROTO, "%s", bad[i].json);
		cr_assert_str_eq(f.text, bad[i].text);
		cr_assert_eq(f.kind, FAILURE_NETWORK);
	}
}

Test(acme_directory, odd_members_of_meta_are_as_if_missing)
{
	struct acme_directory d;
	struct failure f;

	cr_assert_eq(read_directory("{" NONCE "," ACCOUNT "," ORDER
	                            ",\"meta\":{\"profiles\":[\"a\"],"
	                            "\"externalAccountRequired\":\"true\"}}",
	                            &d, &f),
	             0);
	cr_assert_null(d.profiles);
	cr_assert_not(d.wants_external_account);
	acme_directory_free(&d);
}

static struct acme_settings usable(void)
{
	return (struct acme_settings){
	    .directory_url = DIR, .account_key = EVP_EC_gen("P-256"), .timeout_s = 1};
}

Test(acme_open, settings_that_cannot_work_are_refused)
{
	struct acme_settings set = usable();
	struct acme *acme;
	struct failure f;

	set.directory_url = "http://ca.example/dir";
	cr_assert_eq(acme_open(&acme, &set, &f), -EINVAL);
	cr_assert_eq(f.kind, FAILURE_LOCAL);
	cr_assert_not_null(strstr(f.text, "http://ca.example/dir"), "%s", f.text);
	EVP_PKEY_free(set.account_key);
	set = usable();
	EVP_PKEY_free(set.account_key);
	set.account_key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	cr_assert_eq(acme_open(&acme, &set, &f), -EINVAL);
	cr_assert_str_eq(f.text, "the account's key is neither P-256, P-384 nor RSA");
	EVP_PKEY_free(set.account_key);
}

Test(acme_open, a_known_account_costs_no_request)
{
	struct acme_settings set = usable();
	struct acme *acme;
	struct failure f;

	cr_assert_eq(acme_prepare(), 0);
	cr_assert_eq(acme_prepare(), 0);
	set.account_url = "https://ca.example/acct/1";
	cr_assert_eq(acme_open(&acme, &set, &f), 0);
	cr_assert_eq(acme_account(acme, &f), 0);
	cr_assert_str_eq(acme_account_url(acme), set.account_url);
	acme_close(acme);
	set.account_url = "nonsense";
	cr_assert_eq(acme_open(&acme, &set, &f), 0);
	cr_assert_null(acme_account_url(acme));
	acme_close(acme);
	acme_close(NULL);
	EVP_PKEY_free(set.account_key);
}

Test(acme_open, after_cancel_nothing_begins)
{
	struct acme_settings set = usable();
	struct acme_window window;
	struct acme *acme;
	struct failure f;

	cr_assert_eq(acme_open(&acme, &set, &f), 0);
	acme_cancel(acme);
	acme_cancel(acme);
	cr_assert_eq(acme_account(acme, &f), -ECANCELED);
	cr_assert_eq(f.kind, FAILURE_NONE);
	cr_assert_eq(acme_renewal_info(acme, "a.b", &window, &f), -ECANCELED);
	acme_close(acme);
	EVP_PKEY_free(set.account_key);
}

/* --- how often ------------------------------------------------------------------------------- */

Test(pace, failures_of_the_moment_are_forgiven_five_times)
{
	struct failure f = {.kind = FAILURE_SERVER}, refused = {.kind = FAILURE_REFUSED};
	struct web_answer answer = {0};
	struct pace p;

	pace_begin(&p, 60);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 5; i++)
			cr_assert_eq(pace_forgive(&p, -EIO, &f), 0);
		cr_assert_eq(pace_forgive(&p, -EIO, &f), -EIO);
		pace_hear(&p, &answer);
	}
	cr_assert_eq(pace_forgive(&p, -EACCES, &refused), -EACCES);
	pace_begin(&p, 0);
	cr_assert_eq(pace_forgive(&p, -EIO, &f), -EIO);
}

Test(pace, the_longest_retry_after_counts)
{
	struct web_answer answer = {.has_retry_after = true, .retry_after_s = 3};
	struct failure f = {.kind = FAILURE_RATE_LIMIT, .retry_after_s = 9};
	struct pace p;

	pace_begin(&p, 60);
	pace_hear(&p, &answer);
	answer.retry_after_s = 2;
	pace_hear(&p, &answer);
	cr_assert_eq(p.asked_ms, 3000);
	pace_forgive(&p, -EAGAIN, &f);
	cr_assert_eq(p.asked_ms, 9000);
}

/* --- names of certificates ------------------------------------------------------------------- */

/* RFC 9773, appendix A. */
static const char ari_pem[] = "-----BEGIN CERTIFICATE-----\n"
			      "MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt\n"
			      "cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS\n"
			      "BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu\n"
			      "7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf\n"
			      "qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B\n"
			      "yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb\n"
			      "+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK\n"
			      "-----END CERTIFICATE-----\n";

Test(ari, id_of_the_example)
{
	static const char expected[] = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
	BIO *bio = BIO_new_mem_buf(ari_pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	char id[sizeof(expected)];

	cr_assert_not_null(cert);
	cr_assert_eq(acme_ari_id(cert, id, sizeof(id) - 1), -ENOSPC);
	cr_assert_eq(acme_ari_id(cert, id, sizeof(id)), 0);
	cr_assert_str_eq(id, expected);
	X509_free(cert);
	BIO_free(bio);
}

/* With a serial number of `len` bytes; aki: with an authority key identifier. */
static X509 *make_cert(const char *serial, size_t len, bool aki)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	BIGNUM *n = BN_bin2bn((const unsigned char *)serial, (int)len, NULL);

	BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
	X509_set_pubkey(cert, key);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 60);
	if (aki) {
		ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
		AUTHORITY_KEYID *ext = AUTHORITY_KEYID_new();

		ASN1_OCTET_STRING_set(id, (const unsigned char *)"\1\2", 2);
		ext->keyid = id;
		X509_add1_ext_i2d(cert, NID_authority_key_identifier, ext, 0, 0);
		AUTHORITY_KEYID_free(ext);
	}
	X509_sign(cert, key, EVP_sha256());
	BN_free(n);
	EVP_PKEY_free(key);
	return cert;
}

Test(ari, id_of_others)
{
	static const char long_serial[200] = "\x7f";
	static const struct {
		const char *serial;
		size_t len;
		bool aki;
		int r;
		const char *id;
	} table[] = {
	    {"\x7f", 1, true, 0, "AQI.fw"},    {"\x80", 1, true, 0, "AQI.AIA"},
	    {"\x00", 1, true, 0, "AQI.AA"},    {"\x01\x02", 2, true, 0, "AQI.AQI"},
	    {"\x01", 1, false, -EINVAL, NULL}, {long_serial, 200, true, -EINVAL, NULL},
	};
	char id[64];

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		X509 *cert = make_cert(table[i].serial, table[i].len, table[i].aki);

		cr_assert_eq(acme_ari_id(cert, id, sizeof(id)), table[i].r, "%zu", i);
		if (table[i].id != NULL)
			cr_assert_str_eq(id, table[i].id);
		X509_free(cert);
	}
}
