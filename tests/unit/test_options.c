/*
 * The command line and its variables.
 */
#include "options.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void clean_environment(void)
{
	clearenv();
	cr_redirect_stderr();
}

TestSuite(options, .init = clean_environment);

#define PARSE(opt, ...) parse(opt, (const char *[]){"netbird-signal", __VA_ARGS__, NULL})
static int parse(struct options *opt, const char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return options_parse(opt, argc, (char **)argv);
}

static void expect_said(const char *words)
{
	char line[512];

	snprintf(line, sizeof(line),
	         "netbird-signal: %s; \"netbird-signal help\" lists commands and options\n", words);
	fflush(stderr);
	cr_expect_stderr_eq_str(line);
}

static void expect(const struct options_value *v, const char *value, const char *origin)
{
	cr_assert(v->value, "not set, expected %s", value);
	cr_expect_str_eq(v->value, value);
	cr_expect_str_eq(v->origin, origin);
}

Test(options, commands)
{
	static const struct {
		const char *word;
		enum options_command command;
	} commands[] = {{"run", OPTIONS_RUN},         {"check", OPTIONS_CHECK},
	                {"plugins", OPTIONS_PLUGINS}, {"version", OPTIONS_VERSION},
	                {"help", OPTIONS_HELP},       {"-h", OPTIONS_HELP},
	                {"--help", OPTIONS_HELP},     {"--version", OPTIONS_VERSION}};
	struct options opt;
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		cr_expect_eq(PARSE(&opt, commands[i].word), 0, "%s", commands[i].word);
		cr_expect_eq(opt.command, commands[i].command, "%s", commands[i].word);
		cr_expect_null(opt.port.value);
	}
}

Test(options, flags_in_both_forms_and_any_order)
{
	struct options opt;

	cr_assert_eq(PARSE(&opt, "--port", "1", "run", "--log-level=debug", "--log-file", "a=b",
	                   "--config=/x=y", "--metrics-port=2", "--cert-file", "c", "--cert-key=k",
	                   "--letsencrypt-domain", "d", "--letsencrypt-email", "e", "--ssl-dir=s"),
	             0);
	cr_expect_eq(opt.command, OPTIONS_RUN);
	expect(&opt.port, "1", "--port");
	expect(&opt.log_level, "debug", "--log-level");
	expect(&opt.log_file, "a=b", "--log-file");
	expect(&opt.config, "/x=y", "--config");
	expect(&opt.metrics_port, "2", "--metrics-port");
	expect(&opt.cert_file, "c", "--cert-file");
	expect(&opt.cert_key, "k", "--cert-key");
	expect(&opt.letsencrypt_domain, "d", "--letsencrypt-domain");
	expect(&opt.letsencrypt_email, "e", "--letsencrypt-email");
	expect(&opt.ssl_dir, "s", "--ssl-dir");
}

Test(options, of_a_repeated_flag_the_last_counts)
{
	struct options opt;

	cr_assert_eq(PARSE(&opt, "run", "--port", "1", "--port=2"), 0);
	expect(&opt.port, "2", "--port");
}

Test(options, variables)
{
	struct options opt;

	setenv("NB_PORT", "1", 1);
	setenv("NB_LOG_LEVEL", "warn", 1);
	setenv("NB_LOG_FILE", "", 1);
	setenv("NB_CONFIG", "/x", 1);
	setenv("NB_METRICS_PORT", "2", 1);
	setenv("NB_CERT_FILE", "c", 1);
	setenv("NB_CERT_KEY", "k", 1);
	setenv("NB_LETSENCRYPT_DOMAIN", "d", 1);
	setenv("NB_LETSENCRYPT_EMAIL", "e", 1);
	setenv("NB_SSL_DIR", "s", 1);
	setenv("NB_SETUP_KEY", "somebody else's", 1);
	cr_assert_eq(PARSE(&opt, "check", "--log-level", "debug"), 0);
	expect(&opt.port, "1", "NB_PORT");
	expect(&opt.log_level, "debug", "--log-level");
	cr_expect_null(opt.log_file.value, "an empty variable is not set");
	expect(&opt.config, "/x", "NB_CONFIG");
	expect(&opt.metrics_port, "2", "NB_METRICS_PORT");
	expect(&opt.cert_file, "c", "NB_CERT_FILE");
	expect(&opt.cert_key, "k", "NB_CERT_KEY");
	expect(&opt.letsencrypt_domain, "d", "NB_LETSENCRYPT_DOMAIN");
	expect(&opt.letsencrypt_email, "e", "NB_LETSENCRYPT_EMAIL");
	expect(&opt.ssl_dir, "s", "NB_SSL_DIR");
}

/* As container templates write them when a setting is not used. */
Test(options, some_flags_may_be_empty)
{
	struct options opt;

	setenv("NB_CERT_FILE", "c", 1);
	cr_assert_eq(
	    PARSE(&opt, "run", "--cert-file", "", "--cert-key=", "--letsencrypt-domain", ""), 0);
	cr_expect_null(opt.cert_file.value);
	cr_expect_null(opt.cert_key.value);
	cr_expect_null(opt.letsencrypt_domain.value);
}

Test(options, no_command)
{
	struct options opt;

	cr_expect_eq(PARSE(&opt, "--port", "1"), -EINVAL);
	expect_said("expected a command: run, check, plugins, version or help");
}

Test(options, no_words_at_all)
{
	struct options opt;
	char *none[] = {NULL};

	cr_expect_eq(options_parse(&opt, 0, none), -EINVAL);
	expect_said("expected a command: run, check, plugins, version or help");
}

/* A plugin of the running daemon may know it. */
Test(options, a_word_that_is_no_command_of_ours)
{
	struct options opt;

	cr_assert_eq(PARSE(&opt, "cert"), 0);
	cr_expect_eq(opt.command, OPTIONS_ASK);
	cr_expect_str_eq(opt.words[0], "cert");
	cr_expect_null(opt.words[1]);
}

Test(options, all_words_behind_it_are_its_own)
{
	static const char *const words[] = {"cert", "run", "--port", "2", "--help", "-x", "--", ""};
	struct options opt;
	size_t i;

	cr_assert_eq(
	    PARSE(&opt, "--config", "/x", "cert", "run", "--port", "2", "--help", "-x", "--", ""),
	    0);
	cr_expect_eq(opt.command, OPTIONS_ASK);
	expect(&opt.config, "/x", "--config");
	cr_expect_null(opt.port.value);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		cr_expect_str_eq(opt.words[i], words[i]);
	cr_expect_null(opt.words[i]);
	cr_assert_eq(PARSE(&opt, "--", "cert", "status"), 0);
	cr_expect_str_eq(opt.words[0], "cert");
	cr_expect_str_eq(opt.words[1], "status");
}

Test(options, what_begins_with_a_dash_is_nobodys_command)
{
	struct options opt;

	cr_expect_eq(PARSE(&opt, "--", "--cert"), -EINVAL);
	expect_said("unknown command \"--cert\"");
}

Test(options, an_empty_word_is_no_command)
{
	struct options opt;

	cr_expect_eq(PARSE(&opt, ""), -EINVAL);
	expect_said("unknown command \"\"");
}

Test(options, names_that_plugins_cannot_have)
{
	cr_expect(options_is_command("run"));
	cr_expect(options_is_command("help"));
	cr_expect_not(options_is_command("cert"));
	cr_expect_not(options_is_command(""));
}

Test(options, extra_word)
{
	struct options opt;

	cr_expect_eq(PARSE(&opt, "run", "check"), -EINVAL);
	expect_said("unexpected word \"check\"");
}

Test(options, words_after_two_dashes_are_no_flags)
{
	struct options opt;

	cr_expect_eq(PARSE(&opt, "run", "--", "--port"), -EINVAL);
	expect_said("unexpected word \"--port\"");
}

Test(options, unknown_flag)
{
	struct options opt;

	cr_expect_eq(PARSE(&opt, "run", "--ports", "1"), -EINVAL);
	expect_said("unknown option --ports");
}

Test(options, beginning_of_a_flag_is_none)
{
	struct options opt;

	cr_expect_eq(PARSE(&opt, "run", "--log=1"), -EINVAL);
	expect_said("unknown option --log=1");
}

Test(options, one_dash)
{
	struct options opt;

	cr_expect_eq(PARSE(&opt, "run", "-port=1"), -EINVAL);
	expect_said("unknown option -port=1, long options begin with two dashes");
}

Test(options, one_dash_and_nothing_known)
{
	struct options opt;

	cr_expect_eq(PARSE(&opt, "run", "-p", "1"), -EINVAL);
	expect_said("unknown option -p");
}

Test(options, a_dash_alone_is_a_word)
{
	struct options opt;

	cr_expect_eq(PARSE(&opt, "run", "-"), -EINVAL);
	expect_said("unexpected word \"-\"");
}

Test(options, missing_value)
{
	struct options opt;

	cr_expect_eq(PARSE(&opt, "run", "--port"), -EINVAL);
	expect_said("--port needs a value: N");
}

Test(options, a_flag_is_no_value)
{
	struct options opt;

	cr_expect_eq(PARSE(&opt, "run", "--log-file", "--port", "1"), -EINVAL);
	expect_said("--log-file needs a value: FILE");
}

Test(options, empty_value)
{
	struct options opt;

	cr_expect_eq(PARSE(&opt, "run", "--port="), -EINVAL);
	expect_said("--port needs a value that is not empty: N");
}

Test(options, help_names_every_flag_and_variable)
{
	static const char *const words[] = {"run",
	                                    "check",
	                                    "plugins",
	                                    "version",
	                                    "help",
	                                    "running daemon",
	                                    "--config",
	                                    "--port",
	                                    "--log-file",
	                                    "--log-level",
	                                    "--metrics-port",
	                                    "--cert-file",
	                                    "--cert-key",
	                                    "--ssl-dir",
	                                    "--letsencrypt-domain",
	                                    "--letsencrypt-email",
	                                    "NB_CONFIG",
	                                    "NB_CERT_FILE",
	                                    "NB_CERT_KEY",
	                                    "NB_LETSENCRYPT_DOMAIN"};
	char text[8192];
	size_t i, n;
	FILE *out;

	cr_redirect_stdout();
	options_help();
	fflush(stdout);
	out = cr_get_redirected_stdout();
	n = fread(text, 1, sizeof(text) - 1, out);
	text[n] = '\0';
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		cr_expect(strstr(text, words[i]), "help does not name %s", words[i]);
}

/* What the line of a flag says. */
Test(options, help_says_what_the_flags_of_plugins_do)
{
	static const char *const says[][2] = {{"--metrics-port", "loads the plugin"},
	                                      {"--letsencrypt-domain", "loads the plugin"},
	                                      {"--letsencrypt-email", "Let's Encrypt"},
	                                      {"--ssl-dir", "(/var/lib/netbird/)"}};
	char text[8192], *at;
	size_t i, n;
	FILE *out;

	cr_redirect_stdout();
	options_help();
	fflush(stdout);
	out = cr_get_redirected_stdout();
	n = fread(text, 1, sizeof(text) - 1, out);
	text[n] = '\0';
	cr_expect_null(strstr(text, "refused"));
	cr_expect_null(strstr(text, "not used"));
	for (i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		char line[128] = "";

		cr_assert((at = strstr(text, says[i][0])) != NULL, "%s", says[i][0]);
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
		cr_expect(strstr(line, says[i][1]), "%s", line);
	}
}
