/* Dropped messages: two counters per reason (ours, and the one that NetBird's dashboards know),
 * one log line when an episode begins and one when nothing was dropped for ten seconds. */
#include "drops.h"

#include "clock.h"
#include "log.h"
#include "metrics.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define QUIET_MS 10000

struct episode {
	_Atomic uint64_t count; /* 0: none */
	_Atomic uint64_t last_ms;
};

struct drops {
	struct nbs_metric *dropped[DROPS_REASONS];
	struct nbs_metric *failed[DROPS_REASONS];
	struct nbs_metric *not_registered; /* stays 0: a sender need not be registered here */
	struct episode episodes[DROPS_REASONS];
};

static const char *const words[DROPS_REASONS] = {
    [DROPS_MAILBOX] = "a mailbox is full",
    [DROPS_BUDGET] = "all mailboxes together are full",
    [DROPS_GRACE] = "the receiver did not come back in its grace period",
    [DROPS_STALLED] = "the receiver stalled and did not come back",
    [DROPS_CLOSED] = "the receiver left",
};

static int register_metrics(struct drops *d, struct metrics *metrics)
{
	static const char help[] =
	    "Accepted messages that were dropped before delivery, by reason.";
	static const char failures[] = "Messages that could not be forwarded, by type.";
	const struct metrics_series table[] = {
	    {&d->dropped[DROPS_MAILBOX], NBS_COUNTER, "mailbox_dropped_messages_total",
	     "reason=\"mailbox_full\"", help, NULL, 0},
	    {&d->dropped[DROPS_BUDGET], NBS_COUNTER, "mailbox_dropped_messages_total",
	     "reason=\"budget_full\"", help, NULL, 0},
	    {&d->dropped[DROPS_GRACE], NBS_COUNTER, "mailbox_dropped_messages_total",
	     "reason=\"grace_ended\"", help, NULL, 0},
	    {&d->dropped[DROPS_STALLED], NBS_COUNTER, "mailbox_dropped_messages_total",
	     "reason=\"stalled\"", help, NULL, 0},
	    {&d->dropped[DROPS_CLOSED], NBS_COUNTER, "mailbox_dropped_messages_total",
	     "reason=\"closed\"", help, NULL, 0},
	    {&d->failed[DROPS_MAILBOX], NBS_COUNTER, "message_forward_failures_total",
	     "type=\"error\"", failures, NULL, 0},
	    {&d->failed[DROPS_GRACE], NBS_COUNTER, "message_forward_failures_total",
	     "type=\"not_connected\"", failures, NULL, 0},
	    {&d->failed[DROPS_STALLED], NBS_COUNTER, "message_forward_failures_total",
	     "type=\"timeout\"", failures, NULL, 0},
	    {&d->not_registered, NBS_COUNTER, "message_forward_failures_total",
	     "type=\"not_registered\"", failures, NULL, 0},
	    {&d->failed[DROPS_CLOSED], NBS_COUNTER, "message_forward_failures_total",
	     "type=\"disconnected\"", failures, NULL, 0},
	    {0},
	};
	int r = metrics_register_table(metrics, table);

	d->failed[DROPS_BUDGET] = d->failed[DROPS_MAILBOX];
	return r;
}

int drops_open(struct drops **out, struct metrics *metrics)
{
	struct drops *d = calloc(1, sizeof(*d));
	int r;

	if (d == NULL)
		return -ENOMEM;
	if ((r = register_metrics(d, metrics)) < 0) {
		free(d);
		return r;
	}
	*out = d;
	return 0;
}

void drops_close(struct drops *d)
{
	free(d);
}

void drops_count(struct drops *d, enum drops_reason reason, unsigned n, const char *id, size_t len)
{
	struct episode *e = &d->episodes[reason];
	char brief[LOG_ID_BRIEF];

	if (n == 0)
		return;
	metrics_record(d->dropped[reason], n);
	metrics_record(d->failed[reason], n);
	atomic_store_explicit(&e->last_ms, clock_ms(), memory_order_relaxed);
	if (atomic_fetch_add_explicit(&e->count, n, memory_order_relaxed) == 0) {
		log_id_brief(brief, id, len);
		log_warn("forwarder", "messages are being dropped: %s peer=%s", words[reason],
		         brief);
	}
}

void drops_count_absent(struct drops *d)
{
	metrics_count(d->failed[DROPS_GRACE]); /* the series not_connected */
}

void drops_tick(struct drops *d, uint64_t now_ms)
{
	for (unsigned i = 0; i < DROPS_REASONS; i++) {
		struct episode *e = &d->episodes[i];

		if (atomic_load_explicit(&e->count, memory_order_relaxed) == 0 ||
		    now_ms < atomic_load_explicit(&e->last_ms, memory_order_relaxed) + QUIET_MS)
			continue;
		log_warn("forwarder", "no more messages are dropped: %s count=%llu", words[i],
		         (unsigned long long)atomic_exchange(&e->count, 0));
	}
}
