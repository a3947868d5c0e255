/* Leases: register, replace, deliver, take, deregister.  See registry.h for the locks. */
#include "registry_private.h"

#include "clock.h"
#include "drops.h"
#include "log.h"
#include "message.h"
#include "peer.h"

#include <errno.h>
#include <stdlib.h>

#define NS_PER_MS 1e6

int registry_open(struct registry **out, const struct registry_settings *settings,
                  struct metrics *metrics, struct drops *drops)
{
	struct registry *r = NULL;
	int err;

	/* The shards are aligned to cache lines, more than calloc() promises. */
	if (posix_memalign((void **)&r, 64, sizeof(*r)) != 0)
		return -ENOMEM;
	*r = (struct registry){.drops = drops};
	if ((err = id_table_open(&r->table)) < 0)
		goto err0;
	if ((err = registry_metrics_register(&r->metrics, metrics)) < 0)
		goto err1;
	peer_list_open(&r->asking);
	peer_list_open(&r->grace);
	pthread_mutex_init(&r->watch_lock, NULL);
	registry_configure(r, settings);
	*out = r;
	return 0;
err1:
	id_table_close(&r->table);
err0:
	free(r);
	return err;
}

void registry_configure(struct registry *r, const struct registry_settings *settings)
{
	r->mailbox_messages = settings->mailbox_messages;
	r->mailbox_bytes = settings->mailbox_bytes;
	r->budget.max = settings->mailbox_total_bytes;
	r->send_timeout = settings->send_timeout;
	r->grace_period = settings->grace_period;
	r->admission_timeout = settings->admission_timeout;
	r->replace_burst = settings->replace_burst;
	r->replace_interval = settings->replace_interval;
}

static int check_id(const struct registry *r, const char *id, size_t len)
{
	if (id == NULL || len == 0)
		return -EINVAL;
	if (len > NBS_ID_MAX) {
		metrics_count(r->metrics.failed);
		return -ENAMETOOLONG;
	}
	return atomic_load(&r->stopping) ? -ESHUTDOWN : 0;
}

int registry_register(struct registry *r, atomic_uint *owner, const char *id, size_t len,
                      const struct nbs_peer_ops *ops, void *cookie, struct nbs_peer **lease)
{
	struct nbs_peer *p;
	int err;

	if ((err = check_id(r, id, len)) < 0)
		return err;
	if ((p = peer_new(r, id, len, ops, cookie)) == NULL) {
		metrics_count(r->metrics.failed);
		return -ENOMEM;
	}
	p->hash = id_table_hash(&r->table, id, len);
	p->owner = owner;
	atomic_fetch_add(owner, 1);
	*lease = p;
	peer_ref(p); /* the caller may have given its own back before this returns */
	registry_ask(p, 0);
	peer_unref(p);
	return 0;
}

void registry_count_refused(struct registry *r, enum nbs_refusal why)
{
	if ((unsigned)why <= NBS_REFUSED_FAILED_HEADER)
		metrics_count(r->metrics.refused[why]);
}

/* Whether one more replacement of `old` is within the rate; the debt moves on to the new lease.
 * A leaky bucket kept as the time at which it will be empty. */
static bool may_replace(const struct registry *r, const struct nbs_peer *old, struct nbs_peer *p)
{
	uint64_t now = clock_ms(), burst = r->replace_burst, interval = r->replace_interval;
	uint64_t debt = old->replace_debt_ms > now ? old->replace_debt_ms : now;

	if (burst != 0 && debt - now > interval * (burst - 1))
		return false;
	p->replace_debt_ms = debt + interval;
	return true;
}

/* What became of an attempt to take an id. */
struct claim {
	struct nbs_peer *old; /* out of the table now, with the table's reference, or NULL */
	bool watch, replaced; /* old was connected */
};

/* Shard lock held. */
static int claim_locked(struct id_shard *s, struct nbs_peer *p, struct claim *c)
{
	struct registry *r = p->registry;
	struct mailbox box = {0};

	if (p->state != PEER_ASKING)
		return -ECANCELED; /* given back, or refused, while somebody decided */
	if (atomic_load(&r->stopping))
		return -ESHUTDOWN;
	if (id_shard_make_room(s) < 0)
		return -ENOMEM;
	c->old = id_shard_find(s, p->hash, p->id, p->id_len);
	if (c->old != NULL) {
		c->replaced = c->old->state == PEER_LIVE;
		if (c->replaced && !may_replace(r, c->old, p)) {
			c->old = NULL;
			return -EAGAIN;
		}
		c->old->state = PEER_GONE;
		box = peer_close_mailbox(c->old);
		id_shard_remove(s, c->old);
	}
	p->registered_ns = clock_ns();
	p->state = PEER_LIVE;
	c->watch = peer_prepare(p, &box);
	id_shard_insert(s, peer_ref(p));
	return 0;
}

static void claimed(struct nbs_peer *p, struct claim *c)
{
	struct registry *r = p->registry;
	char brief[LOG_ID_BRIEF];

	if (c->replaced) {
		metrics_count(r->metrics.replaced);
	} else {
		metrics_count(r->metrics.registrations);
		metrics_record(r->metrics.active, 1);
	}
	metrics_record(r->metrics.delay, (double)(clock_ns() - p->requested_ns) / NS_PER_MS);
	if (log_enabled(NBS_DEBUG)) {
		log_id_brief(brief, p->id, p->id_len);
		log_debug("registry", "registered peer=%s replaced=%s", brief,
		          c->replaced ? "yes" : "no");
	}
	if (c->watch)
		registry_watch(r, p);
	peer_deliver(p);
	if (c->old == NULL)
		return;
	if (c->replaced)
		peer_raise_hangup(c->old, NBS_REPLACED);
	else
		peer_list_remove(&r->grace, c->old);
	peer_unref(c->old);
}

static void refuse_replacement(struct nbs_peer *p)
{
	static struct log_limit limit;
	char brief[LOG_ID_BRIEF];

	metrics_count(p->registry->metrics.replace_refused);
	log_id_brief(brief, p->id, p->id_len);
	log_limited(&limit, NBS_WARN, "registry", "registered again too often, refused peer=%s",
	            brief);
	registry_refuse(p, -EAGAIN, "registering too often, try again later");
}

void registry_claim(struct nbs_peer *p)
{
	struct id_shard *s = id_table_shard(&p->registry->table, p->hash);
	static struct log_limit limit;
	struct claim c = {0};
	int err;

	pthread_rwlock_wrlock(&s->lock);
	err = claim_locked(s, p, &c);
	pthread_rwlock_unlock(&s->lock);
	switch (err) {
	case 0:
		claimed(p, &c);
		break;
	case -ECANCELED:
		break;
	case -EAGAIN:
		refuse_replacement(p);
		break;
	case -ESHUTDOWN:
		registry_refuse(p, err, "the server is shutting down");
		break;
	default:
		log_limited(&limit, NBS_ERROR, "registry", "no memory for one more peer");
		registry_refuse(p, err, "out of memory");
	}
}

void registry_refuse(struct nbs_peer *p, int verdict, const char *why)
{
	metrics_count(p->registry->metrics.failed);
	peer_raise_verdict(p, verdict, why != NULL ? why : "");
}

void registry_watch(struct registry *r, struct nbs_peer *p)
{
	peer_ref(p);
	pthread_mutex_lock(&r->watch_lock);
	p->watch_next = r->watch;
	r->watch = p;
	pthread_mutex_unlock(&r->watch_lock);
}

static struct nbs_peer *find(struct registry *r, const char *id, size_t len)
{
	uint64_t hash = id_table_hash(&r->table, id, len);
	struct id_shard *s = id_table_shard(&r->table, hash);
	struct nbs_peer *p;

	pthread_rwlock_rdlock(&s->lock);
	p = id_shard_find(s, hash, id, len);
	if (p != NULL)
		peer_ref(p);
	pthread_rwlock_unlock(&s->lock);
	return p;
}

static struct nbs_peer *look_up(struct registry *r, const struct message *msg)
{
	struct nbs_peer *p = find(r, msg->pub.to, msg->pub.to_len);

	metrics_record(p != NULL ? r->metrics.lookup_found : r->metrics.lookup_missing,
	               (double)(clock_ns() - msg->accepted_ns) / NS_PER_MS);
	return p;
}

static void count_dropped(struct registry *r, struct mailbox_dropped *dropped,
                          const struct nbs_peer *p)
{
	if (dropped->first == NULL)
		return;
	drops_count(r->drops, DROPS_MAILBOX, dropped->overflow, p->id, p->id_len);
	drops_count(r->drops, DROPS_BUDGET, dropped->budget, p->id, p->id_len);
	mailbox_free_dropped(dropped);
}

int registry_deliver(struct registry *r, struct message *msg)
{
	const struct mailbox_bounds bounds = {r->mailbox_messages, r->mailbox_bytes};
	struct mailbox_dropped dropped;
	struct nbs_peer *p;
	bool watch;
	int err;

	do {
		if ((p = look_up(r, msg)) == NULL)
			return -ENOENT;
		dropped = (struct mailbox_dropped){0};
		err = peer_push(p, &bounds, &r->budget, msg, &dropped, &watch);
		if (watch)
			registry_watch(r, p);
		count_dropped(r, &dropped, p);
		if (err == -ENOBUFS)
			drops_count(r->drops, DROPS_BUDGET, 1, p->id, p->id_len);
		peer_unref(p);
	} while (err == -ESTALE); /* it moved to the lease that replaced this one: look again */
	return err;
}

struct message *registry_take(struct nbs_peer *lease)
{
	struct registry *r = lease->registry;
	struct message *msg = peer_take(lease, &r->budget);

	if (msg != NULL) {
		metrics_count(r->metrics.forwarded);
		metrics_record(r->metrics.latency,
		               (double)(clock_ns() - msg->accepted_ns) / NS_PER_MS);
	}
	return msg;
}

void registry_drop_mailbox(struct nbs_peer *p, unsigned reason)
{
	struct mailbox box = peer_close_mailbox(p);
	struct message *msg;
	unsigned n = 0;

	while ((msg = mailbox_pop(&box, &p->registry->budget)) != NULL) {
		message_unref(msg);
		n++;
	}
	drops_count(p->registry->drops, reason, n, p->id, p->id_len);
}

/* Shard lock held.  Returns the state that the lease was in. */
static enum peer_state end_locked(struct id_shard *s, struct nbs_peer *p, bool keep_mailbox)
{
	enum peer_state was = p->state;

	if (was == PEER_LIVE && keep_mailbox) {
		p->state = PEER_GRACE;
		return was;
	}
	p->state = PEER_GONE;
	if (was == PEER_LIVE)
		id_shard_remove(s, p);
	return was;
}

static void ended(struct nbs_peer *p, enum peer_state was, bool kept)
{
	struct registry *r = p->registry;

	if (was == PEER_ASKING) {
		peer_list_remove(&r->asking, p);
		return;
	}
	if (p->registered_ns != 0) {
		const double seconds = (double)(clock_ns() - p->registered_ns) / 1e9;

		metrics_record(r->metrics.duration, seconds);
		metrics_record(r->metrics.lifetime, seconds);
	}
	if (was != PEER_LIVE)
		return;
	metrics_count(r->metrics.deregistrations);
	metrics_record(r->metrics.active, -1);
	if (!kept) {
		registry_drop_mailbox(p, peer_was_stalled(p) ? DROPS_STALLED : DROPS_CLOSED);
		peer_unref(p); /* the table's */
	}
}

void registry_deregister(struct nbs_peer *p)
{
	struct registry *r = p->registry;
	struct id_shard *s = id_table_shard(&r->table, p->hash);
	uint64_t grace = r->grace_period;
	bool keep = grace > 0 && !atomic_load(&r->stopping);
	enum peer_state was;

	peer_detach(p);
	pthread_rwlock_wrlock(&s->lock);
	was = end_locked(s, p, keep);
	/* Under the shard's lock, so that a successor finds it on the list that it takes it from.
	 */
	if (was == PEER_LIVE && keep)
		peer_list_add(&r->grace, p, clock_ms() + grace);
	pthread_rwlock_unlock(&s->lock);
	ended(p, was, keep);
	atomic_fetch_sub(p->owner, 1);
	peer_unref(p);
}
