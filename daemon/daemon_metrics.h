/* What the daemon as a whole shows: which build it is, and how its reloads went.  [main] */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include <stdbool.h>

struct metrics;
struct nbs_metric;

struct daemon_metrics {
	struct nbs_metric *reloads_ok, *reloads_error, *last_reload, *last_ok;
};

int daemon_metrics_register(struct daemon_metrics *dm, struct metrics *metrics);
/* A configuration took effect now: that of the start, or of a reload. */
void daemon_metrics_configured(struct daemon_metrics *dm);
void daemon_metrics_reloaded(struct daemon_metrics *dm, bool ok);

#endif
