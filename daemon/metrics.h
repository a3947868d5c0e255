/*
 * Metrics: series are registered on the main thread before anything runs, recorded lock-free
 * from any thread, and read by whoever exports them.  Recording goes to one of several stripes,
 * chosen by thread, so that threads do not fight for a cache line; reading adds them up.
 */
#ifndef METRICS_H
#define METRICS_H

#include <netbird-signal/plugin.h>

struct metrics;

/* The buckets that NetBird's latency histograms share, in milliseconds. */
#define METRICS_STD_BOUNDS 11
extern const double metrics_std_bounds[METRICS_STD_BOUNDS];

int metrics_open(struct metrics **out);
void metrics_close(struct metrics *m);

/*
 * [main] Copies desc.  -EINVAL: no name or help that can be used, a name that is no Prometheus
 * name, labels that are not a="x",b="y" or that Prometheus would refuse (see nbs_metric_desc),
 * bounds that are missing, more than 32 or not ascending, or another kind, help or bounds than the
 * series of this name before it.  -EEXIST: this name and labels are there already, or a
 * name that an exposition cannot tell from it: a_total beside a, h_count beside a histogram h.
 * -ENOMEM.  *metric lives until metrics_close().
 */
int metrics_register(struct metrics *m, const struct nbs_metric_desc *desc,
                     struct nbs_metric **metric);

/* A table of series, registered in one go.  Ends with a NULL metric. */
struct metrics_series {
	struct nbs_metric **metric;
	enum nbs_kind kind;
	const char *name, *labels, *help;
	const double *bounds;
	size_t n_bounds;
};
int metrics_register_table(struct metrics *m, const struct metrics_series *table);

/* [any], lock-free; see nbs_host.metric_record. */
void metrics_record(struct nbs_metric *metric, double value);
static inline void metrics_count(struct nbs_metric *metric)
{
	metrics_record(metric, 1);
}
/* The value of a counter or gauge now. */
double metrics_value(const struct nbs_metric *metric);

/* [any]; see nbs_host.metric_each. */
void metrics_each(struct metrics *m,
                  void (*visit)(void *arg, const struct nbs_metric_desc *, const double *values,
                                size_t n),
                  void *arg);

#endif
