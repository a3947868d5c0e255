/* The time series of this plugin; wsproxy_* are named and labelled as existing dashboards expect
 * them. */
#include "metrics.h"

#include <netbird-signal/plugin.h>

#include <stdio.h>

static const char *const error_types[WSPROXY_ERRORS] = {
    [WSPROXY_ACCEPT] = "websocket_accept_failed",
    [WSPROXY_READ] = "websocket_read_error",
    [WSPROXY_WRITE] = "websocket_write_error",
    [WSPROXY_PIPE] = "pipe_write_error",
};

/* label: its name, or NULL without one. */
static int open_series(struct metrics *m, struct nbs_metric **out, enum nbs_kind kind,
                       const char *name, const char *label, const char *value, const char *help)
{
	char labels[80] = "";
	const struct nbs_metric_desc desc = {
	    .size = sizeof(desc),
	    .kind = kind,
	    .name = name,
	    .help = help,
	    .labels = label != NULL ? labels : NULL,
	};

	if (label != NULL)
		snprintf(labels, sizeof(labels), "%s=\"%s\"", label, value);
	return m->host->metric_register(m->host, &desc, out);
}

static int open_light(struct metrics *m)
{
	int r;

	r = open_series(m, &m->peers, NBS_GAUGE, "websocket_peers", NULL, NULL,
	                "Peers that are registered over the light WebSocket transport.");
	if (r == 0)
		r = open_series(m, &m->received, NBS_COUNTER, "websocket_messages_received_total",
		                NULL, NULL, "Whole messages that light peers sent.");
	for (int i = 0; i < ENDINGS && r == 0; i++)
		r = open_series(m, &m->closes[i], NBS_COUNTER, "websocket_closes_total", "reason",
		                ending_name((enum ending)i),
		                "WebSockets of light peers that ended, by reason.");
	return r;
}

static int open_tunnel(struct metrics *m)
{
	static const char bytes[] = "wsproxy_bytes_transferred_total",
			  bytes_help[] = "Bytes that went through tunnels, by direction.";
	int r;

	r = open_series(m, &m->tunnels, NBS_GAUGE, "wsproxy_active_connections", NULL, NULL,
	                "Tunnels that are open.");
	if (r == 0)
		r = open_series(m, &m->to_grpc, NBS_COUNTER, bytes, "direction", "ws_to_grpc",
		                bytes_help);
	if (r == 0)
		r = open_series(m, &m->to_ws, NBS_COUNTER, bytes, "direction", "grpc_to_ws",
		                bytes_help);
	for (int i = 0; i < WSPROXY_ERRORS && r == 0; i++)
		r = open_series(m, &m->errors[i], NBS_COUNTER, "wsproxy_errors_total", "error_type",
		                error_types[i], "Tunnels that ended by an error, by its kind.");
	return r;
}

int metrics_open(struct metrics *m, struct nbs_host *host)
{
	int r;

	m->host = host;
	r = open_light(m);
	return r < 0 ? r : open_tunnel(m);
}

void metrics_add(const struct metrics *m, struct nbs_metric *series, double value)
{
	m->host->metric_record(series, value);
}
