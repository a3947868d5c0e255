/* The time series of this plugin; rpc_server_duration_milliseconds is named, labelled and
 * bucketed as existing dashboards expect it. */
#include "metrics.h"

#include <netbird-signal/plugin.h>

#include <stdio.h>
#include <time.h>

#define SIGNAL "signalexchange.SignalExchange"
#define HEALTH "grpc.health.v1.Health"

static const double bounds[] = {0,   5,   10,   25,   50,   75,   100,  250,
                                500, 750, 1000, 2500, 5000, 7500, 10000};

/* Only what can happen: a series that stays empty for ever is noise on every scrape. */
static const struct {
	enum method method;
	const char *service, *name;
	int codes[8]; /* ended by -1 */
} pairs[] = {
    {METHOD_SEND,
     SIGNAL,
     "Send",
     {GRPC_STATUS_OK, GRPC_STATUS_RESOURCE_EXHAUSTED, GRPC_STATUS_INTERNAL, -1}},
    {METHOD_CONNECT,
     SIGNAL,
     "ConnectStream",
     {GRPC_STATUS_CANCELLED, GRPC_STATUS_UNKNOWN, GRPC_STATUS_PERMISSION_DENIED,
      GRPC_STATUS_RESOURCE_EXHAUSTED, GRPC_STATUS_FAILED_PRECONDITION, GRPC_STATUS_INTERNAL,
      GRPC_STATUS_UNAVAILABLE, -1}},
    {METHOD_CHECK,
     HEALTH,
     "Check",
     {GRPC_STATUS_OK, GRPC_STATUS_NOT_FOUND, GRPC_STATUS_RESOURCE_EXHAUSTED, GRPC_STATUS_INTERNAL,
      -1}},
    {METHOD_WATCH,
     HEALTH,
     "Watch",
     {GRPC_STATUS_CANCELLED, GRPC_STATUS_RESOURCE_EXHAUSTED, GRPC_STATUS_INTERNAL,
      GRPC_STATUS_UNAVAILABLE, -1}},
};

static int open_rpc(struct metrics *m, size_t pair, int code)
{
	char labels[160];
	struct nbs_metric_desc desc = {
	    .size = sizeof(desc),
	    .kind = NBS_HISTOGRAM,
	    .name = "rpc_server_duration_milliseconds",
	    .help = "How long calls took, by method and status code.",
	    .labels = labels,
	    .bounds = bounds,
	    .n_bounds = sizeof(bounds) / sizeof(bounds[0]),
	};

	snprintf(
	    labels, sizeof(labels),
	    "rpc_grpc_status_code=\"%d\",rpc_method=\"%s\",rpc_service=\"%s\",rpc_system=\"grpc\"",
	    code, pairs[pair].name, pairs[pair].service);
	return m->host->metric_register(m->host, &desc, &m->rpc[pairs[pair].method][code]);
}

static int open_plain(struct metrics *m, enum nbs_kind kind, const char *name, const char *help,
                      struct nbs_metric **out)
{
	struct nbs_metric_desc desc = {
	    .size = sizeof(desc),
	    .kind = kind,
	    .name = name,
	    .help = help,
	};

	return m->host->metric_register(m->host, &desc, out);
}

int metrics_open(struct metrics *m, struct nbs_host *host)
{
	int r;

	m->host = host;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		for (size_t c = 0; pairs[i].codes[c] >= 0; c++)
			if ((r = open_rpc(m, i, pairs[i].codes[c])) < 0)
				return r;
	if ((r = open_plain(m, NBS_COUNTER, "grpc_connections_total",
	                    "Connections that the gRPC transport took over.", &m->connections)) <
	        0 ||
	    (r = open_plain(m, NBS_GAUGE, "grpc_streams", "ConnectStream calls that are open.",
	                    &m->streams)) < 0 ||
	    (r = open_plain(m, NBS_GAUGE, "grpc_health_watchers",
	                    "Health Watch calls that are open.", &m->watchers)) < 0 ||
	    (r = open_plain(m, NBS_COUNTER, "grpc_unimplemented_total",
	                    "Calls of methods that this server does not have.",
	                    &m->unimplemented)) < 0 ||
	    (r = open_plain(m, NBS_COUNTER, "grpc_floods_total",
	                    "Connections cut off for more calls at once than they were allowed.",
	                    &m->floods)) < 0)
		return r;
	return 0;
}

int64_t metrics_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void metrics_rpc(const struct metrics *m, enum method method, grpc_status_code code, int64_t began)
{
	struct nbs_metric *series = m->rpc[method][code];

	if (series != NULL)
		m->host->metric_record(series, (double)(metrics_now() - began) / 1000);
}

void metrics_add(const struct metrics *m, struct nbs_metric *series, double value)
{
	m->host->metric_record(series, value);
}
