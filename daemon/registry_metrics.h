/* The series that the registry records. */
#ifndef REGISTRY_METRICS_H
#define REGISTRY_METRICS_H

#include "metrics.h"

struct registry_metrics {
	struct nbs_metric *active, *duration, *lifetime, *registrations, *deregistrations, *failed,
	    *delay;
	struct nbs_metric *refused[NBS_REFUSED_FAILED_HEADER + 1];
	struct nbs_metric *lookup_found, *lookup_missing;
	struct nbs_metric *forwarded, *latency;
	struct nbs_metric *replaced, *replace_refused, *admission_refused, *admission_late;
	struct nbs_metric *stalled, *in_grace, *mailbox_messages, *mailbox_bytes;
};

int registry_metrics_register(struct registry_metrics *rm, struct metrics *metrics);
/* Makes a gauge show `value`; one thread only. */
void registry_metrics_set(struct nbs_metric *gauge, double value);

#endif
