/* The time series of this plugin. */
#ifndef LETSENCRYPT_METRICS_H
#define LETSENCRYPT_METRICS_H

#include "failure.h"

#include <stdbool.h>
#include <time.h>

struct nbs_host;
struct nbs_metric;

/* A gauge that is set rather than added to, by one thread at a time. */
struct metrics_gauge {
	struct nbs_metric *series;
	double value;
};

struct metrics {
	struct nbs_host *host;
	struct metrics_gauge expiry, last_success, next_attempt, temporary;
	struct nbs_metric *orders_ok, *orders_error, *failures[FAILURE_KINDS];
};

/* [main], in init(). */
int metrics_open(struct metrics *m, struct nbs_host *host);
void metrics_set(struct metrics *m, struct metrics_gauge *gauge, double value);
void metrics_order(struct metrics *m, bool ok);
void metrics_failure(struct metrics *m, enum failure_kind kind);

#endif
