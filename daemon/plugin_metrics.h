/* Which plugins are loaded, and which run.  [main] */
#ifndef PLUGIN_METRICS_H
#define PLUGIN_METRICS_H

struct metrics;
struct nbs_metric;

/* The series of one plugin; `name` is that of its section.  *running is 1 while it runs; 0 until
 * then. */
int plugin_metrics_register(struct metrics *metrics, const char *name, const char *version,
                            struct nbs_metric **running);

#endif
