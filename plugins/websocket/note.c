/* How peers end, for the metrics and the log. */
#include "note.h"

#include "clock.h"
#include "transport.h"

#include <netbird-signal/plugin.h>

#include <stdbool.h>

#define INTERVAL 10000 /* ms between two lines about one kind of fault */

static bool is_due(struct transport *t, enum ending ending)
{
	const int64_t now = clock_now();

	if (now < t->note_at[ending])
		return false;
	t->note_at[ending] = now + INTERVAL;
	return true;
}

void note_ending(struct transport *t, uint64_t conn, enum ending ending, unsigned code)
{
	const bool aloud = ending_is_fault(ending) && is_due(t, ending);

	metrics_add(&t->metrics, t->metrics.closes[ending], 1);
	if (aloud || t->host->log_enabled(t->host, NBS_DEBUG))
		t->host->log(t->host, aloud ? NBS_INFO : NBS_DEBUG,
		             "peer ends: conn=%llu reason=%s code=%u", (unsigned long long)conn,
		             ending_name(ending), code);
}
