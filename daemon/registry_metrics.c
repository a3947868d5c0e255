/* Names, labels and buckets of NetBird's dashboards, and what is ours. */
#include "registry_metrics.h"

#define STD metrics_std_bounds, METRICS_STD_BOUNDS

int registry_metrics_register(struct registry_metrics *rm, struct metrics *metrics)
{
	static const double durations[] = {1, 60, 600, 3600, 7200, 21600, 43200, 86400, 172800};
	/* Fine about a minute, after which many reverse proxies cut a stream. */
	static const double lifetimes[] = {1,  5,  15,  30,  45,  55,   60,   65,
	                                   75, 90, 120, 300, 600, 1800, 3600, 86400};
	static const char lookup[] = "Time to look up the receiver of a message, in milliseconds.";
	static const char failed[] = "Registrations that failed, by error.";
	static const char refused[] = "Registrations that were refused, by reason.";
	const struct metrics_series table[] = {
	    {&rm->active, NBS_GAUGE, "active_peers", NULL, "Peers that are connected now.", NULL,
	     0},
	    {&rm->duration, NBS_HISTOGRAM, "peer_connection_duration_seconds", NULL,
	     "How long peers were connected, in seconds.", durations,
	     sizeof(durations) / sizeof(durations[0])},
	    {&rm->lifetime, NBS_HISTOGRAM, "peer_stream_lifetime_seconds", NULL,
	     "How long streams of registered peers lasted, replaced ones too, in seconds.",
	     lifetimes, sizeof(lifetimes) / sizeof(lifetimes[0])},
	    {&rm->registrations, NBS_COUNTER, "registrations_total", NULL,
	     "Peers that registered; the same id taking over from itself is not counted.", NULL, 0},
	    {&rm->deregistrations, NBS_COUNTER, "deregistrations_total", NULL,
	     "Peers whose connection ended while they held their id.", NULL, 0},
	    {&rm->failed, NBS_COUNTER, "registration_failures_total",
	     "error=\"failed_registration\"", failed, NULL, 0},
	    {&rm->refused[NBS_REFUSED_MISSING_ID], NBS_COUNTER, "registration_failures_total",
	     "error=\"missing_id\"", failed, NULL, 0},
	    {&rm->refused[NBS_REFUSED_MISSING_META], NBS_COUNTER, "registration_failures_total",
	     "error=\"missing_meta\"", failed, NULL, 0},
	    {&rm->refused[NBS_REFUSED_FAILED_HEADER], NBS_COUNTER, "registration_failures_total",
	     "error=\"failed_header\"", failed, NULL, 0},
	    {&rm->delay, NBS_HISTOGRAM, "registration_delay_milliseconds", NULL,
	     "From the request to the verdict of a registration, in milliseconds.", STD},
	    {&rm->lookup_found, NBS_HISTOGRAM, "get_registration_delay_milliseconds",
	     "type=\"stream\",status=\"found\"", lookup, STD},
	    {&rm->lookup_missing, NBS_HISTOGRAM, "get_registration_delay_milliseconds",
	     "type=\"stream\",status=\"not_found\"", lookup, STD},
	    {&rm->forwarded, NBS_COUNTER, "messages_forwarded_total", NULL,
	     "Messages that their receiver's connection took.", NULL, 0},
	    {&rm->latency, NBS_HISTOGRAM, "message_forward_latency_milliseconds", "type=\"stream\"",
	     "From the arrival of a message until its receiver's connection took it, in "
	     "milliseconds.",
	     STD},
	    {&rm->replaced, NBS_COUNTER, "peer_replacements_total", NULL,
	     "Leases that a newer connection with the same id took over.", NULL, 0},
	    {&rm->replace_refused, NBS_COUNTER, "registrations_refused_total",
	     "reason=\"replaced_too_often\"", refused, NULL, 0},
	    {&rm->admission_refused, NBS_COUNTER, "registrations_refused_total",
	     "reason=\"admission\"", refused, NULL, 0},
	    {&rm->admission_late, NBS_COUNTER, "registrations_refused_total",
	     "reason=\"admission_timeout\"", refused, NULL, 0},
	    {&rm->stalled, NBS_COUNTER, "peers_stalled_total", NULL,
	     "Peers that were cut off because they took no message for send-timeout.", NULL, 0},
	    {&rm->in_grace, NBS_GAUGE, "peers_in_grace", NULL,
	     "Mailboxes of ended connections that wait for their peer to come back.", NULL, 0},
	    {&rm->mailbox_messages, NBS_GAUGE, "mailbox_messages", NULL,
	     "Messages waiting in all mailboxes.", NULL, 0},
	    {&rm->mailbox_bytes, NBS_GAUGE, "mailbox_bytes", NULL, "Bytes that all mailboxes hold.",
	     NULL, 0},
	    {0},
	};

	return metrics_register_table(metrics, table);
}

void registry_metrics_set(struct nbs_metric *gauge, double value)
{
	metrics_record(gauge, value - metrics_value(gauge));
}
