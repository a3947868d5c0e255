/*
 * Certificates in the configuration: which pairs there are, and what must hold between them and
 * the listeners.
 */
#include "config_case.h"

static void expect_pair(const struct config_pair *p, const char *name, const char *cert_file,
                        const char *cert_key)
{
	cr_expect_str_eq(p->name, name);
	cr_expect_str_eq(p->cert_file, cert_file);
	cr_expect_str_eq(p->cert_key, cert_key);
}

Test(config_tls, the_pair_without_a_name_is_the_first)
{
	struct config *cfg = case_good("[tls b]\ncert-file = /b.pem\ncert-key = /b.key\n"
	                               "[tls]\ncert-key = \"/my key\"\ncert-file = /my.pem\n"
	                               "[tls a]\ncert-file = a.pem\ncert-key = a.key\n");

	cr_assert_eq(cfg->n_pairs, 3);
	expect_pair(&cfg->pairs[0], "", "/my.pem", "/my key");
	expect_pair(&cfg->pairs[1], "b", "/b.pem", "/b.key");
	expect_pair(&cfg->pairs[2], "a", "a.pem", "a.key");
	config_free(cfg);
}

Test(config_tls, a_pair_without_files_is_not_there)
{
	struct config *cfg = case_good("[tls]\ncert-file =\ncert-key = \"\"\n[tls a]\n"
	                               "[tls b]\ncert-file = /b.pem\ncert-key = /b.key\n[tls c]\n");

	cr_assert_eq(cfg->n_pairs, 1);
	expect_pair(&cfg->pairs[0], "b", "/b.pem", "/b.key");
	config_free(cfg);
}

Test(config_tls, one_file_needs_the_other)
{
	case_bad("[tls]\ncert-file = /c\n",
	         "2: [tls] cert-file: expected cert-key as well, got none");
	case_bad("[tls]\ncert-file =\ncert-key = /k\n",
	         "3: [tls] cert-key: expected cert-file as well, got none");
	case_bad("[tls a]\ncert-file = /c\ncert-key = /k\n[tls b]\ncert-file = /c\n",
	         "5: [tls b] cert-file: expected cert-key as well, got none");
	case_bad("[tls b]\n\ncert-key = /k\n[tls]\ncert-file = /c\ncert-key = /k\n",
	         "3: [tls b] cert-key: expected cert-file as well, got none");
}

Test(config_tls, keys_and_names_of_the_two_kinds_of_section)
{
	case_bad("[tls a]\nmin-version = 1.3\n",
	         "2: [tls a] min-version: unknown key, expected one of cert-file, cert-key");
	case_bad("[tls]\ncert = /c\n", "2: [tls] cert: unknown key, expected one of cert-file, "
	                               "cert-key, min-version, client-ca");
	case_bad("[tls]\n[tls]\n", "2: [tls]: expected once, it began at @:1");
	case_bad("[tls a]\n[tls a]\n", "2: [tls a]: expected once, it began at @:1");
	case_bad("[tls abcdefghijklmnopqrstuvwxyz0123456]\n",
	         "1: [tls abcdefghijklmnopqrstuvwxyz0123456]: expected [tls NAME] with a shorter "
	         "name");
	case_bad("[http x]\n", "1: [http x]: expected [http]");
	case_bad("[http]\nport = 80\n",
	         "2: [http] port: unknown key, expected one of ping-interval, ping-timeout");
}

Test(config_tls, min_version)
{
	struct config *cfg = case_good("[tls]\nmin-version = 1.3\n");

	cr_expect_eq(cfg->tls_min_version, 0x0304);
	config_free(cfg);
	cfg = case_good("[tls]\nmin-version = 1.2\n");
	cr_expect_eq(cfg->tls_min_version, 0x0303);
	config_free(cfg);
}

Test(config_tls, modes_of_a_listener)
{
	struct config *cfg = case_good("[listener a]\naddress = *:1\ntls = required\n"
	                               "[listener b]\naddress = *:2\ntls = off\n"
	                               "[listener c]\naddress = *:3\ntls = auto\n"
	                               "[tls x]\ncert-file = /c\ncert-key = /k\n");

	cr_expect_eq(cfg->listeners[0].tls, CONFIG_TLS_REQUIRED);
	cr_expect_eq(cfg->listeners[1].tls, CONFIG_TLS_OFF);
	cr_expect_eq(cfg->listeners[2].tls, CONFIG_TLS_AUTO);
	config_free(cfg);
}

/* Whether there is one is judged when the plugins have started (tls_demand.c). */
Test(config_tls, the_certificate_for_required_may_come_from_a_plugin)
{
	config_free(case_good("[listener signal]\ntls = required\n[tls a]\n"));
	config_free(case_good("[listener signal]\ntls = required\n[tls]\nclient-ca = /ca.pem\n"));
}

#define PAIR "cert-file = /c\ncert-key = /k\n"

Test(config_tls, client_ca)
{
	struct config *cfg = case_good("[listener a]\naddress = *:1\ntls = required\n"
	                               "[listener b]\naddress = *:2\ntls = off\n"
	                               "[tls]\nclient-ca = /ca.pem\n" PAIR);

	cr_expect_str_eq(cfg->client_ca, "/ca.pem");
	config_free(cfg);
	case_bad("[tls]\nclient-ca = /ca.pem\n" PAIR,
	         "2: [tls] client-ca: expected tls = required or off for [listener signal], got "
	         "auto, where plaintext needs no certificate");
	case_bad("[listener a]\naddress = *:1\ntls = required\n[listener b]\naddress = *:2\n"
	         "[tls]\nclient-ca = /ca.pem\n" PAIR,
	         "7: [tls] client-ca: expected tls = required or off for [listener b], got auto, "
	         "where plaintext needs no certificate");
}

Test(config_tls, a_wrong_value_is_said_alone)
{
	case_bad("[listener signal]\ntls = require\n[tls]\nclient-ca = /ca.pem\n" PAIR,
	         "2: [listener signal] tls: expected auto, required or off, got \"require\"");
}

Test(config_tls, proxy_protocol_and_trusted_proxies_need_each_other)
{
	case_bad("[listener signal]\nproxy-protocol = required\n",
	         "2: [listener signal] proxy-protocol: expected trusted-proxies as well, got none");
	case_bad("[listener signal]\ntrusted-proxies =\nproxy-protocol = required\n",
	         "3: [listener signal] proxy-protocol: expected trusted-proxies as well, got none");
	case_bad("[listener signal]\ntrusted-proxies = 127.0.0.1\n",
	         "2: [listener signal] trusted-proxies: expected proxy-protocol = required as "
	         "well, got off");
	config_free(case_good("[listener signal]\ntrusted-proxies =\nproxy-protocol = off\n"));
}
