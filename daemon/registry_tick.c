/* What happens in the registry by the clock: stalled peers, ends of grace periods, verdicts that
 * never came, and the end of the daemon.  All [main]. */
#include "registry_private.h"

#include "clock.h"
#include "drops.h"
#include "log.h"
#include "peer.h"

#include <errno.h>
#include <stdlib.h>

#define TICK_MAX_MS 250
#define TICK_MIN_MS 20

unsigned registry_tick_ms(const struct registry *r)
{
	uint64_t shortest = r->send_timeout;

	if (r->grace_period > 0 && r->grace_period < shortest)
		shortest = r->grace_period;
	if (r->admission_timeout < shortest)
		shortest = r->admission_timeout;
	shortest /= 4;
	return shortest > TICK_MAX_MS   ? TICK_MAX_MS
	       : shortest < TICK_MIN_MS ? TICK_MIN_MS
	                                : (unsigned)shortest;
}

static void cut_off(struct registry *r, struct nbs_peer *p)
{
	static struct log_limit limit;
	char brief[LOG_ID_BRIEF];

	if (!peer_raise_hangup(p, NBS_STALLED))
		return;
	metrics_count(r->metrics.stalled);
	log_id_brief(brief, p->id, p->id_len);
	log_limited(&limit, NBS_INFO, "registry", "peer takes no messages, cut off peer=%s", brief);
}

static void check_watched(struct registry *r, uint64_t now_ms)
{
	struct nbs_peer *p, *next;
	uint64_t timeout = r->send_timeout;
	uint64_t since = now_ms > timeout ? now_ms - timeout : 0;

	pthread_mutex_lock(&r->watch_lock);
	p = r->watch;
	r->watch = NULL;
	pthread_mutex_unlock(&r->watch_lock);
	for (; p != NULL; p = next) {
		enum peer_progress progress;

		next = p->watch_next; /* before the check: then a push may list it again */
		progress = peer_check_progress(p, since);
		if (progress == PEER_WAITING)
			registry_watch(r, p);
		else if (progress == PEER_STUCK)
			cut_off(r, p);
		peer_unref(p);
	}
}

/* Nobody came back for the mailbox. */
static void end_grace(struct registry *r, struct nbs_peer *p)
{
	struct id_shard *s = id_table_shard(&r->table, p->hash);
	bool held;

	pthread_rwlock_wrlock(&s->lock);
	held = p->state == PEER_GRACE;
	if (held) {
		id_shard_remove(s, p);
		p->state = PEER_GONE;
	}
	pthread_rwlock_unlock(&s->lock);
	if (!held)
		return;
	registry_drop_mailbox(p, peer_was_stalled(p) ? DROPS_STALLED : DROPS_GRACE);
	peer_unref(p); /* the table's */
}

static void end_graces(struct registry *r, uint64_t now_ms)
{
	struct nbs_peer *p;

	while ((p = peer_list_expired(&r->grace, now_ms)) != NULL) {
		end_grace(r, p);
		peer_unref(p);
	}
}

static void refuse_undecided(struct registry *r, uint64_t now_ms, int verdict, const char *why)
{
	struct nbs_peer *p;

	while ((p = peer_list_expired(&r->asking, now_ms)) != NULL) {
		if (verdict == -ETIMEDOUT)
			metrics_count(r->metrics.admission_late);
		registry_refuse(p, verdict, why);
		peer_unref(p);
	}
}

void registry_tick(struct registry *r, uint64_t now_ms)
{
	check_watched(r, now_ms);
	end_graces(r, now_ms);
	refuse_undecided(r, now_ms, -ETIMEDOUT, "nobody decided about this peer in time");
	registry_metrics_set(r->metrics.in_grace, peer_list_count(&r->grace));
	registry_metrics_set(r->metrics.mailbox_messages, (double)r->budget.messages);
	registry_metrics_set(r->metrics.mailbox_bytes, (double)r->budget.used);
}

/* Every live lease of one shard, with references, linked by batch_next. */
static struct nbs_peer *collect(struct id_shard *s)
{
	struct nbs_peer *batch = NULL, *p;

	pthread_rwlock_rdlock(&s->lock);
	for (size_t i = 0; i < s->n_buckets; i++) {
		for (p = s->buckets[i]; p != NULL; p = p->chain) {
			if (p->state != PEER_LIVE)
				continue;
			p->batch_next = batch;
			batch = peer_ref(p);
		}
	}
	pthread_rwlock_unlock(&s->lock);
	return batch;
}

void registry_stop(struct registry *r)
{
	struct nbs_peer *p, *next;

	atomic_store(&r->stopping, true);
	refuse_undecided(r, UINT64_MAX, -ESHUTDOWN, "the server is shutting down");
	for (unsigned i = 0; i < ID_TABLE_SHARDS; i++) {
		for (p = collect(&r->table.shards[i]); p != NULL; p = next) {
			next = p->batch_next;
			peer_raise_hangup(p, NBS_STOPPING);
			peer_unref(p);
		}
	}
}

static void forget_watched(struct registry *r)
{
	struct nbs_peer *p, *next;

	for (p = r->watch; p != NULL; p = next) {
		next = p->watch_next;
		peer_unref(p);
	}
	r->watch = NULL;
}

void registry_close(struct registry *r)
{
	if (r == NULL)
		return;
	end_graces(r, UINT64_MAX);
	forget_watched(r);
	id_table_close(&r->table);
	peer_list_close(&r->asking);
	peer_list_close(&r->grace);
	pthread_mutex_destroy(&r->watch_lock);
	free(r);
}
