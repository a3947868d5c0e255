/* The names are those that exporters elsewhere use for the same. */
#include "daemon_metrics.h"

#include "metrics.h"

#include <stdio.h>
#include <time.h>

static int register_build(struct metrics *metrics)
{
	char labels[128];
	const struct nbs_metric_desc desc = {
	    .size = sizeof(desc),
	    .kind = NBS_GAUGE,
	    .name = "netbird_signal_build_info",
	    .help = "Always 1; version is that of the daemon, abi that of its plugins.",
	    .labels = labels,
	};
	struct nbs_metric *build;
	int r;

	snprintf(labels, sizeof(labels), "version=\"%s\",abi=\"%u\"", VERSION, NBS_ABI);
	if ((r = metrics_register(metrics, &desc, &build)) < 0)
		return r;
	metrics_record(build, 1);
	return 0;
}

int daemon_metrics_register(struct daemon_metrics *dm, struct metrics *metrics)
{
	static const char reloads[] = "config_reloads_total";
	static const char help[] = "Reloads of the configuration, by how they ended.";
	const struct metrics_series table[] = {
	    {&dm->reloads_ok, NBS_COUNTER, reloads, "result=\"ok\"", help, NULL, 0},
	    {&dm->reloads_error, NBS_COUNTER, reloads, "result=\"error\"", help, NULL, 0},
	    {&dm->last_reload, NBS_GAUGE, "config_last_reload_success_timestamp_seconds", NULL,
	     "When the configuration in force was loaded, by a reload or at the start.", NULL, 0},
	    {&dm->last_ok, NBS_GAUGE, "config_last_reload_successful", NULL,
	     "1 if the last reload worked, or there was none; 0 if it was refused.", NULL, 0},
	    {0},
	};
	int r;

	if ((r = register_build(metrics)) < 0)
		return r;
	return metrics_register_table(metrics, table);
}

static void set(struct nbs_metric *gauge, double value)
{
	metrics_record(gauge, value - metrics_value(gauge));
}

void daemon_metrics_configured(struct daemon_metrics *dm)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	set(dm->last_reload, (double)now.tv_sec);
	set(dm->last_ok, 1);
}

void daemon_metrics_reloaded(struct daemon_metrics *dm, bool ok)
{
	metrics_count(ok ? dm->reloads_ok : dm->reloads_error);
	if (ok)
		daemon_metrics_configured(dm);
	else
		set(dm->last_ok, 0);
}
