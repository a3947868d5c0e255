#include "metrics.h"

#include <netbird-signal/plugin.h>

#include <stdio.h>

static int open_series(struct metrics *m, struct nbs_metric **out, enum nbs_kind kind,
                       const char *name, const char *labels, const char *help)
{
	const struct nbs_metric_desc desc = {
	    .size = sizeof(desc), .kind = kind, .name = name, .help = help, .labels = labels};

	return m->host->metric_register(m->host, &desc, out);
}

static int open_gauges(struct metrics *m)
{
	const struct {
		struct metrics_gauge *gauge;
		const char *name, *help;
	} gauges[] = {
	    {&m->expiry, "acme_certificate_expiry_timestamp_seconds",
	     "When the certificate of the CA expires; 0 without one."},
	    {&m->last_success, "acme_last_success_timestamp_seconds",
	     "When this process last got a certificate; 0 before."},
	    {&m->next_attempt, "acme_next_attempt_timestamp_seconds",
	     "When the next certificate is asked for; 0 if that is not known."},
	    {&m->temporary, "acme_temporary_certificate",
	     "1 while only a certificate that nobody but this server has signed is there."},
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]) && r == 0; i++)
		r = open_series(m, &gauges[i].gauge->series, NBS_GAUGE, gauges[i].name, NULL,
		                gauges[i].help);
	return r;
}

static int open_failures(struct metrics *m)
{
	int r = 0;

	for (int kind = FAILURE_NONE + 1; kind < FAILURE_KINDS && r == 0; kind++) {
		char labels[64];

		snprintf(labels, sizeof(labels), "kind=\"%s\"",
		         failure_label((enum failure_kind)kind));
		r = open_series(
		    m, &m->failures[kind], NBS_COUNTER, "acme_failures_total", labels,
		    "Attempts to get, renew or keep a certificate that failed, by reason.");
	}
	return r;
}

int metrics_open(struct metrics *m, struct nbs_host *host)
{
	static const char orders[] = "acme_orders_total",
			  help[] = "Orders that the CA was asked for, by how they ended.";
	int r;

	*m = (struct metrics){.host = host};
	if ((r = open_gauges(m)) < 0)
		return r;
	if ((r = open_series(m, &m->orders_ok, NBS_COUNTER, orders, "result=\"ok\"", help)) < 0)
		return r;
	if ((r = open_series(m, &m->orders_error, NBS_COUNTER, orders, "result=\"error\"", help)) <
	    0)
		return r;
	return open_failures(m);
}

/* The host's gauges are added to. */
void metrics_set(struct metrics *m, struct metrics_gauge *gauge, double value)
{
	m->host->metric_record(gauge->series, value - gauge->value);
	gauge->value = value;
}

void metrics_order(struct metrics *m, bool ok)
{
	m->host->metric_record(ok ? m->orders_ok : m->orders_error, 1);
}

void metrics_failure(struct metrics *m, enum failure_kind kind)
{
	if (kind != FAILURE_NONE)
		m->host->metric_record(m->failures[kind], 1);
}
