/*
 * Flags and variables over the file.
 */
#include "config_case.h"

static struct config *load_with(const char *text, const struct options *set)
{
	struct options opt = *set;
	struct config *cfg;

	case_write(text, strlen(text));
	opt.config = (struct options_value){case_file, "--config"};
	cr_assert_eq(case_load(&cfg, &opt), 0, "%s", case_said);
	unlink(case_file);
	return cfg;
}

static void refuse_with(const char *text, const struct options *set, const char *line)
{
	struct options opt = *set;
	struct config *cfg;

	case_write(text, strlen(text));
	opt.config = (struct options_value){case_file, "--config"};
	cr_expect_lt(case_load(&cfg, &opt), 0);
	unlink(case_file);
	cr_expect_str_eq(case_said, line);
}

Test(config_flags, flags_outrank_the_file)
{
	struct options opt = {.port = {"1234", "--port"},
	                      .log_level = {"error", "NB_LOG_LEVEL"},
	                      .log_file = {"console", "--log-file"}};
	struct config *cfg = load_with(
	    "[daemon]\nlog-level=debug\nlog-file=/x\n[listener signal]\naddress=[::1]:1,*:2\n"
	    "http2=grpc\n[plugin grpc]\n",
	    &opt);

	cr_expect_eq(cfg->log_level, NBS_ERROR);
	cr_expect_str_eq(cfg->log_file, "console");
	cr_assert_eq(cfg->n_listeners, 1);
	cr_assert_eq(cfg->listeners[0].n_addresses, 1);
	cr_expect_str_eq(cfg->listeners[0].addresses[0].text, "*:1234");
	cr_expect_str_eq(cfg->listeners[0].where, "--port");
	cr_expect_str_eq(cfg->listeners[0].http2, "grpc");
	config_free(cfg);
}

Test(config_flags, port_makes_its_listener)
{
	struct options opt = {.port = {"0", "--port"}};
	struct config *cfg = load_with("[listener x]\naddress = *:1\n", &opt);

	cr_assert_eq(cfg->n_listeners, 2);
	cr_expect_str_eq(cfg->listeners[1].name, "signal");
	cr_expect_str_eq(cfg->listeners[1].addresses[0].text, "*:0");
	config_free(cfg);
}

Test(config_flags, bad_flags)
{
	struct options port = {.port = {"65536", "NB_PORT"}},
		       level = {.log_level = {"x", "--log-level"}},
		       cert = {.cert_file = {"/x", "NB_CERT_FILE"}},
		       cert_key = {.cert_key = {"/k", "--cert-key"}},
		       acme = {.letsencrypt_domain = {"x.y", "--letsencrypt-domain"}},
		       metrics = {.metrics_port = {"x", "--metrics-port"}};

	refuse_with("", &port,
	            "netbird-signal: NB_PORT: expected a number from 0 to 65535, got \"65536\"\n");
	refuse_with(
	    "", &level,
	    "netbird-signal: --log-level: expected error, warn, info or debug, got \"x\"\n");
	refuse_with("", &cert,
	            "netbird-signal: NB_CERT_FILE: [tls] cert-file: expected cert-key as well, got "
	            "none\n");
	refuse_with("[tls a]\ncert-file = /a\ncert-key = /b\n", &cert_key,
	            "netbird-signal: --cert-key: [tls] cert-key: expected cert-file as well, got "
	            "none\n");
	refuse_with("", &acme,
	            "netbird-signal: --letsencrypt-domain: needs a plugin that this version has "
	            "not got\n");
	refuse_with(
	    "", &metrics,
	    "netbird-signal: --metrics-port: expected a number from 0 to 65535, got \"x\"\n");
}

Test(config_flags, flags_that_nobody_uses_are_named)
{
	struct options opt = {.metrics_port = {"9090", "NB_METRICS_PORT"},
	                      .ssl_dir = {"/x", "--ssl-dir"}};

	config_free(load_with("", &opt));
	cr_expect_str_eq(case_said,
	                 "netbird-signal: warning: NB_METRICS_PORT: no loaded plugin uses it\n"
	                 "netbird-signal: warning: --ssl-dir: no loaded plugin uses it\n");
}

Test(config_flags, port_may_collide_with_the_file)
{
	struct options opt = {.port = {"7", "--port"}};

	refuse_with(
	    "[listener x]\naddress=[::1]:7\n", &opt,
	    "netbird-signal: --port: [listener signal] address: expected each address once, *:7 "
	    "is taken by [::1]:7 of [listener x]\n");
}

Test(config_flags, a_certificate_without_a_file)
{
	struct options opt = {.cert_file = {"/c", "--cert-file"},
	                      .cert_key = {"/k", "NB_CERT_KEY"}};
	struct config *cfg = load_with("", &opt);

	cr_assert_eq(cfg->n_pairs, 1);
	cr_expect_str_empty(cfg->pairs[0].name);
	cr_expect_str_eq(cfg->pairs[0].cert_file, "/c");
	cr_expect_str_eq(cfg->pairs[0].cert_key, "/k");
	config_free(cfg);
}

Test(config_flags, a_certificate_outranks_that_of_the_section_without_a_name)
{
	struct options opt = {.cert_file = {"/c", "--cert-file"}, .cert_key = {"/k", "--cert-key"}},
		       key = {.cert_key = {"/k", "--cert-key"}};
	const char *text = "[tls a]\ncert-file=/a\ncert-key=/b\n[tls]\ncert-file=/x\ncert-key=/y\n";
	struct config *cfg = load_with(text, &opt);

	cr_assert_eq(cfg->n_pairs, 2);
	cr_expect_str_eq(cfg->pairs[0].cert_file, "/c");
	cr_expect_str_eq(cfg->pairs[0].cert_key, "/k");
	cr_expect_str_eq(cfg->pairs[1].name, "a");
	cr_expect_str_eq(cfg->pairs[1].cert_file, "/a");
	config_free(cfg);
	cfg = load_with(text, &key);
	cr_expect_str_eq(cfg->pairs[0].cert_file, "/x");
	cr_expect_str_eq(cfg->pairs[0].cert_key, "/k");
	config_free(cfg);
}
