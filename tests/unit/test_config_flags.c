/*
 * Flags and variables over the file.
 */
#include "config_case.h"
#include "config_flag.h"

#include <errno.h>

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
		       cert_key = {.cert_key = {"/k", "--cert-key"}};

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
}

/* What config_flag_unused() says, with stderr in a file for the time of the call. */
static int unused(const struct config *cfg)
{
	FILE *said = tmpfile();
	int saved = dup(STDERR_FILENO), r;
	size_t n;

	cr_assert(said && saved >= 0);
	dup2(fileno(said), STDERR_FILENO);
	r = config_flag_unused(&cfg->flags);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(said);
	n = fread(case_said, 1, sizeof(case_said) - 1, said);
	case_said[n] = '\0';
	fclose(said);
	return r;
}

#define NO_PLUGINS \
	"[plugin a]\n[plugin prometheus]\nenabled = no\n[plugin letsencrypt]\nenabled = no\n"

Test(config_flags, flags_that_nobody_uses_are_named)
{
	struct options opt = {.metrics_port = {"no number", "NB_METRICS_PORT"},
	                      .letsencrypt_email = {"a@b", "--letsencrypt-email"},
	                      .ssl_dir = {"/x", "--ssl-dir"}};
	struct config *cfg = load_with(NO_PLUGINS, &opt);

	cr_expect_str_empty(case_said, "it is not known yet who will ask");
	cr_expect_eq(unused(cfg), 0);
	cr_expect_str_eq(case_said,
	                 "netbird-signal: warning: NB_METRICS_PORT: no loaded plugin uses it\n"
	                 "netbird-signal: warning: --letsencrypt-email: no loaded plugin uses it\n"
	                 "netbird-signal: warning: --ssl-dir: no loaded plugin uses it\n");
	cr_assert_eq(config_plugin_flag(config_plugin(cfg, "a"), "metrics-port", "port"), 0);
	cr_assert_eq(config_plugin_flag(config_plugin(cfg, "a"), "ssl-dir", "dir"), 0);
	cr_expect_eq(unused(cfg), 0);
	cr_expect_str_eq(
	    case_said, "netbird-signal: warning: --letsencrypt-email: no loaded plugin uses it\n");
	config_free(cfg);
}

Test(config_flags, a_domain_that_nobody_uses_is_an_error)
{
	struct options opt = {.letsencrypt_domain = {"x.y", "NB_LETSENCRYPT_DOMAIN"}};
	struct config *cfg = load_with(NO_PLUGINS, &opt);

	cr_expect_eq(unused(cfg), -EINVAL);
	cr_expect_str_eq(case_said,
	                 "netbird-signal: NB_LETSENCRYPT_DOMAIN: no loaded plugin uses it\n");
	cr_assert_eq(config_plugin_flag(config_plugin(cfg, "a"), "letsencrypt-domain", "name"), 0);
	cr_expect_eq(unused(cfg), 0);
	cr_expect_str_empty(case_said);
	config_free(cfg);
}

Test(config_flags, no_flag_nothing_to_say)
{
	struct options opt = {0};
	struct config *cfg = load_with("", &opt);

	cr_expect_eq(unused(cfg), 0);
	cr_expect_str_empty(case_said);
	config_free(cfg);
}

Test(config_flags, a_flag_stands_for_a_key)
{
	struct options opt = {.metrics_port = {"1", "--metrics-port"}};
	struct config *cfg = load_with("[plugin a]\nport = 2\nother = 3\n[plugin b]\n", &opt);
	struct config_plugin *a = config_plugin(cfg, "a"), *b = config_plugin(cfg, "b");
	int64_t port = 0;

	cr_expect_eq(config_plugin_flag(a, "ssl-dir", "port"), -ENOENT, "it was not given");
	cr_expect_eq(config_plugin_flag(a, "metrics", "port"), -ENOENT, "there is none");
	cr_expect_eq(config_plugin_int(a, "port", 0, 9, &port), 0);
	cr_expect_eq(port, 2);
	cr_expect_eq(config_plugin_flag(a, "metrics-port", "port"), 0);
	cr_expect_eq(config_plugin_flag(b, "metrics-port", "p"), 0, "another may use it as well");
	cr_expect_eq(a->n_entries, 2);
	cr_expect_eq(b->n_entries, 1);
	cr_expect_eq(config_plugin_int(a, "port", 0, 9, &port), 0);
	cr_expect_eq(port, 1);
	port = 0;
	cr_expect_eq(config_plugin_int(b, "p", 0, 9, &port), 0);
	cr_expect_eq(port, 1);
	cr_expect_eq(config_plugin_int(a, "other", 0, 9, &port), 0);
	cr_expect_eq(port, 3);
	config_free(cfg);
}

Test(config_flags, a_bad_value_is_the_fault_of_the_flag)
{
	struct options opt = {.metrics_port = {"x", "NB_METRICS_PORT"}};
	struct config *cfg = load_with("[plugin a]\nport = 2\n", &opt);
	struct config_plugin *a = config_plugin(cfg, "a");
	int64_t port = 7;

	cr_redirect_stderr();
	cr_expect_eq(config_plugin_flag(a, "metrics-port", "port"), 0);
	cr_expect_eq(config_plugin_int(a, "port", 0, 65535, &port), -EINVAL);
	cr_expect_eq(port, 7);
	fflush(stderr);
	cr_expect_stderr_eq_str("netbird-signal: NB_METRICS_PORT: [plugin a] port: expected a "
	                        "number from 0 to 65535, got \"x\"\n");
	config_free(cfg);
}

Test(config_flags, there_is_room_for_as_many_keys_as_options)
{
	struct options opt = {.metrics_port = {"1", "--metrics-port"}};
	struct config *cfg = load_with("[plugin a]\n", &opt);
	struct config_plugin *a = config_plugin(cfg, "a");
	static const char *const keys[CONFIG_FLAGS_MAX] = {"a", "b", "c", "d"};
	size_t i;

	for (i = 0; i < CONFIG_FLAGS_MAX; i++)
		cr_expect_eq(config_plugin_flag(a, "metrics-port", keys[i]), 0);
	cr_expect_eq(config_plugin_flag(a, "metrics-port", "e"), -ENOBUFS);
	cr_expect_eq(config_plugin_flag(a, "metrics-port", "d"), 0, "it is there already");
	cr_expect_eq(a->n_entries, CONFIG_FLAGS_MAX);
	config_free(cfg);
}

/* FLAG_PLUGINS says "OPTION:PLUGIN OPTION:PLUGIN"; what it says depends on the plugins that are
 * built. */
static const char *plugin_of(const char *option)
{
	static char name[CONFIG_NAME_MAX];
	const char *at = strstr(FLAG_PLUGINS, option);

	if (!at || at[strlen(option)] != ':')
		return NULL;
	at += strlen(option) + 1;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, " "), at);
	return name;
}

static void expect_loaded_by(const char *option, const struct options *opt)
{
	struct options none = {0};
	const char *name = plugin_of(option);
	char disabled[64];
	struct config *cfg;

	cr_assert(name, "%s is not in FLAG_PLUGINS", option);
	cfg = load_with("", opt);
	cr_assert(config_plugin(cfg, name), "%s with the built-in plugins", name);
	cr_expect(config_plugin(cfg, name)->enabled);
	cr_expect(config_plugin(cfg, "grpc"));
	config_free(cfg);
	cfg = load_with("[plugin a]\n[daemon]\nplugin-dir = /p\n", opt);
	cr_assert_eq(cfg->n_plugins, 2);
	cr_expect_str_eq(cfg->plugins[1].name, name);
	cr_expect_eq(strncmp(cfg->plugins[1].path, "/p/", 3), 0);
	config_free(cfg);
	snprintf(disabled, sizeof(disabled), "[plugin %s]\nenabled = no\n", name);
	cfg = load_with(disabled, opt);
	cr_assert_eq(cfg->n_plugins, 1);
	cr_expect_not(cfg->plugins[0].enabled);
	config_free(cfg);
	cfg = load_with("[plugin a]\n", &none);
	cr_expect_null(config_plugin(cfg, name), "without the option");
	config_free(cfg);
}

Test(config_flags, an_option_loads_its_plugin)
{
	struct options metrics = {.metrics_port = {"1", "--metrics-port"}},
		       domain = {.letsencrypt_domain = {"x.y", "NB_LETSENCRYPT_DOMAIN"}};

	expect_loaded_by("metrics-port", &metrics);
	expect_loaded_by("letsencrypt-domain", &domain);
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
