/*
 * A plugin's keys that options of the command line stand for, as the host gives them.
 */
#include "config_case.h"
#include "host.h"

#include <errno.h>

static const struct host_core core;
static struct host *host;
static struct nbs_host *table;

static struct config *load(const char *text, const char *port)
{
	struct options opt = {.metrics_port = {port, port ? "--metrics-port" : NULL}};
	struct config *cfg;

	case_write(text, strlen(text));
	opt.config = (struct options_value){case_file, "--config"};
	cr_assert_eq(case_load(&cfg, &opt), 0, "%s", case_said);
	unlink(case_file);
	return cfg;
}

/* As during init(). */
static void make_host(struct config *cfg)
{
	cr_redirect_stderr();
	cr_assert(host = host_new(&core, "a", config_plugin(cfg, "a")));
	host_allow_register(host, true);
	table = host_table(host);
}

static int64_t port_now(void)
{
	int64_t port = -1;

	cr_assert_eq(table->conf_int(table, "port", 0, 65535, &port), 0);
	return port;
}

Test(host_conf, an_option_that_was_not_given)
{
	struct config *cfg = load("[plugin a]\nport = 1\n", NULL);

	make_host(cfg);
	cr_expect_eq(table->conf_flag(table, "metrics-port", "port"), -ENOENT);
	cr_expect_eq(table->conf_flag(table, "no-such-option", "port"), -ENOENT);
	cr_expect_eq(port_now(), 1);
	host_free(host);
	config_free(cfg);
}

/* Its key is known from then on, even if nobody reads it. */
Test(host_conf, an_option_that_was_given)
{
	struct config *cfg = load("[plugin a]\nport = 1\n", "2");

	make_host(cfg);
	cr_expect_eq(table->conf_flag(table, "metrics-port", "port"), 0);
	cr_expect(host_knows_key(host, "port"));
	cr_expect_eq(port_now(), 2);
	cr_expect_eq(config_plugin_unknown(config_plugin(cfg, "a"), host_knows_key, host), 0);
	host_free(host);
	config_free(cfg);
}

/* The plugin need not ask again, but may. */
Test(host_conf, a_reload_has_it_as_well)
{
	struct config *cfg = load("[plugin a]\nport = 1\n", "2"),
		      *other = load("[plugin a]\n", "2"),
		      *third = load("[plugin a]\nport=3\n", "2");

	make_host(cfg);
	cr_assert_eq(table->conf_flag(table, "metrics-port", "port"), 0);
	host_allow_register(host, false);
	host_set_conf(host, config_plugin(other, "a"));
	cr_expect_eq(port_now(), 2);
	cr_expect_eq(table->conf_flag(table, "metrics-port", "port"), 0);
	cr_expect_eq(port_now(), 2);
	cr_expect_not(config_plugin_changed(config_plugin(cfg, "a"), config_plugin(other, "a")));
	host_set_conf(host, NULL);
	cr_expect_eq(table->conf_flag(table, "metrics-port", "port"), -ENOENT);
	cr_expect_eq(port_now(), -1);
	host_set_conf(host, config_plugin(third, "a"));
	cr_expect_eq(port_now(), 2);
	host_free(host);
	config_free(cfg);
	config_free(other);
	config_free(third);
}

Test(host_conf, more_keys_than_there_are_options)
{
	struct config *cfg = load("[plugin a]\n", "2");
	static const char *const keys[] = {"a", "b", "c", "d"};

	make_host(cfg);
	for (size_t i = 0; i < CONFIG_FLAGS_MAX; i++)
		cr_expect_eq(table->conf_flag(table, "metrics-port", keys[i]), 0);
	cr_expect_eq(table->conf_flag(table, "metrics-port", "e"), -EINVAL);
	cr_expect_eq(table->conf_flag(table, "metrics-port", "d"), 0, "it is no further one");
	fflush(stderr);
	cr_expect_stderr_eq_str("netbird-signal: plugin: plugin a: option --metrics-port cannot "
	                        "stand for another key, e\n");
	host_free(host);
	config_free(cfg);
}
