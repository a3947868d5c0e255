/*
 * The time series of this plugin.  Registered in init(); recording is [any] and lock-free.
 */
#ifndef METRICS_H
#define METRICS_H

#include "endings.h"

struct nbs_host;
struct nbs_metric;

enum wsproxy_error {
	WSPROXY_ACCEPT, /* no tunnel came of it */
	WSPROXY_READ,   /* the WebSocket broke */
	WSPROXY_WRITE,  /* it broke while bytes waited to be written */
	WSPROXY_PIPE,   /* the service inside the tunnel broke off */
	WSPROXY_ERRORS
};

struct metrics {
	struct nbs_host *host;
	struct nbs_metric *peers, *received, *closes[ENDINGS];
	struct nbs_metric *tunnels, *to_grpc, *to_ws, *errors[WSPROXY_ERRORS];
};

/* [main] 0, or what metric_register() said. */
int metrics_open(struct metrics *m, struct nbs_host *host);
void metrics_add(const struct metrics *m, struct nbs_metric *series, double value);

#endif
