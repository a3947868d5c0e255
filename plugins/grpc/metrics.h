/*
 * The time series of this plugin.  Registered in init(); recording is [any] and lock-free.
 */
#ifndef METRICS_H
#define METRICS_H

#include "core.h"

#include <stdint.h>

struct nbs_host;
struct nbs_metric;

enum method {
	METHOD_SEND,
	METHOD_CONNECT,
	METHOD_CHECK,
	METHOD_WATCH,
	METHOD_OTHER, /* everything that is no method of this server */
	METHODS
};

struct metrics {
	struct nbs_host *host;
	struct nbs_metric *rpc[METHODS][GRPC_STATUS_UNAUTHENTICATED + 1];
	struct nbs_metric *connections, *streams, *watchers, *unimplemented, *floods;
};

/* [main] 0, or what metric_register() said. */
int metrics_open(struct metrics *m, struct nbs_host *host);
/* Now, in microseconds; for metrics_rpc(). */
int64_t metrics_now(void);
/* One call of `method` ended with `code`; it began at `began` (metrics_now()). */
void metrics_rpc(const struct metrics *m, enum method method, grpc_status_code code, int64_t began);
void metrics_add(const struct metrics *m, struct nbs_metric *series, double value);

#endif
