/*
 * What the daemon shows of its build, its reloads and its plugins.
 */
#include "daemon_metrics.h"
#include "metrics.h"
#include "plugin_metrics.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct metrics *metrics;

static void setup(void)
{
	cr_assert_eq(metrics_open(&metrics), 0);
}

static void teardown(void)
{
	metrics_close(metrics);
}

TestSuite(daemon_metrics, .init = setup, .fini = teardown);

/* One series, by its name and labels. */
struct wanted {
	const char *name, *labels;
	double value;
	unsigned times;
};

static void look(void *arg, const struct nbs_metric_desc *desc, const double *values, size_t n)
{
	struct wanted *w = arg;

	if (strcmp(desc->name, w->name) != 0 || strcmp(desc->labels, w->labels) != 0)
		return;
	cr_expect_eq(n, 1);
	w->value = values[0];
	w->times++;
}

static double value(const char *name, const char *labels)
{
	struct wanted w = {.name = name, .labels = labels};

	metrics_each(metrics, look, &w);
	cr_assert_eq(w.times, 1, "%s{%s}", name, labels);
	return w.value;
}

Test(daemon_metrics, build_and_reloads)
{
	static const char last[] = "config_last_reload_success_timestamp_seconds";
	static const char worked[] = "config_last_reload_successful";
	static const char reloads[] = "config_reloads_total";
	struct daemon_metrics dm;
	time_t now = time(NULL);
	char labels[64];

	cr_assert_eq(daemon_metrics_register(&dm, metrics), 0);
	snprintf(labels, sizeof(labels), "version=\"%s\",abi=\"%u\"", VERSION, NBS_ABI);
	cr_expect_eq(value("netbird_signal_build_info", labels), 1);
	cr_expect_eq(value(last, ""), 0);
	cr_expect_eq(value(reloads, "result=\"ok\""), 0);
	cr_expect_eq(value(reloads, "result=\"error\""), 0);
	daemon_metrics_reloaded(&dm, false);
	cr_expect_eq(value(reloads, "result=\"error\""), 1);
	cr_expect_eq(value(last, ""), 0);
	cr_expect_eq(value(worked, ""), 0);
	daemon_metrics_configured(&dm);
	cr_expect_eq(value(worked, ""), 1);
	daemon_metrics_reloaded(&dm, false);
	cr_expect_eq(value(worked, ""), 0);
	cr_expect_eq(value(reloads, "result=\"error\""), 2);
	cr_expect_geq(value(last, ""), (double)now);
	cr_expect_eq(value(reloads, "result=\"ok\""), 0);
	for (int i = 0; i < 3; i++)
		daemon_metrics_reloaded(&dm, true);
	cr_expect_eq(value(reloads, "result=\"ok\""), 3);
	cr_expect_eq(value(worked, ""), 1);
	cr_expect_geq(value(last, ""), (double)now);
	cr_expect_leq(value(last, ""), (double)time(NULL));
}

Test(daemon_metrics, plugins)
{
	struct nbs_metric *running, *other;

	cr_assert_eq(plugin_metrics_register(metrics, "one", "1.0", &running), 0);
	cr_assert_eq(plugin_metrics_register(metrics, "two", "1.0", &other), 0);
	cr_expect_eq(value("plugin_info", "plugin=\"one\",version=\"1.0\""), 1);
	cr_expect_eq(value("plugin_info", "plugin=\"two\",version=\"1.0\""), 1);
	cr_expect_eq(value("plugin_running", "plugin=\"one\""), 0);
	metrics_record(running, 1);
	cr_expect_eq(value("plugin_running", "plugin=\"one\""), 1);
	cr_expect_eq(value("plugin_running", "plugin=\"two\""), 0);
	cr_expect_eq(plugin_metrics_register(metrics, "one", "1.0", &running), -EEXIST);
}

/* Every version that plugin_file.c takes. */
Test(daemon_metrics, versions_that_have_to_be_escaped)
{
	struct nbs_metric *running;
	char version[64], labels[256] = "plugin=\"long\",version=\"";

	cr_assert_eq(plugin_metrics_register(metrics, "odd", "1\"\\n,x=\"}", &running), 0);
	cr_expect_eq(value("plugin_info", "plugin=\"odd\",version=\"1\\\"\\\\n,x=\\\"}\""), 1);
	memset(version, '"', sizeof(version) - 1);
	version[sizeof(version) - 1] = '\0';
	for (size_t i = 0; i < sizeof(version) - 1; i++)
		strcat(labels, "\\\"");
	strcat(labels, "\"");
	cr_assert_eq(plugin_metrics_register(metrics, "long", version, &running), 0);
	cr_expect_eq(value("plugin_info", labels), 1);
}
