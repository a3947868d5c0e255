/* One lease; see peer.h for the rules. */
#include "peer.h"

#include "clock.h"
#include "message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In the order in which they are delivered. */
enum { VERDICT = 1, WAKE = 2, HANGUP = 4 };

struct nbs_peer *peer_new(struct registry *registry, const char *id, size_t len,
                          const struct nbs_peer_ops *ops, void *cookie)
{
	struct nbs_peer *p = calloc(1, sizeof(*p) + len);

	if (p == NULL)
		return NULL;
	p->registry = registry;
	atomic_init(&p->refs, 1);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->drained, NULL);
	p->ops = ops;
	p->cookie = cookie;
	p->requested_ns = clock_ns();
	p->id_len = len;
	memcpy(p->id, id, len);
	return p;
}

struct nbs_peer *peer_ref(struct nbs_peer *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void peer_unref(struct nbs_peer *p)
{
	if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_cond_destroy(&p->drained);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* Calls out for one event; the lock is not held. */
static void call(struct nbs_peer *p, unsigned event, int verdict, const char *why)
{
	switch (event) {
	case VERDICT:
		p->ops->registered(p->cookie, verdict, why);
		break;
	case WAKE:
		p->ops->wake(p->cookie);
		break;
	case HANGUP:
		p->ops->hangup(p->cookie, p->reason);
		break;
	}
}

/* Delivers what is pending.  Called with the lock held, returns without it.  Whoever raises an
 * event while this runs, a callback included, only leaves it in `pending`. */
static void drain_and_unlock(struct nbs_peer *p)
{
	if (p->draining || p->detached || p->pending == 0) {
		pthread_mutex_unlock(&p->lock);
		return;
	}
	p->draining = true;
	p->drainer = pthread_self();
	while (p->pending != 0 && !p->detached) {
		unsigned event = p->pending & -(unsigned)p->pending;
		int verdict = p->verdict;
		const char *why = p->why;

		p->pending &= (unsigned char)~event;
		pthread_mutex_unlock(&p->lock);
		call(p, event, verdict, why);
		pthread_mutex_lock(&p->lock);
	}
	p->draining = false;
	if (p->detached)
		pthread_cond_broadcast(&p->drained);
	pthread_mutex_unlock(&p->lock);
}

void peer_raise_verdict(struct nbs_peer *p, int verdict, const char *why)
{
	pthread_mutex_lock(&p->lock);
	p->verdict = verdict;
	p->why = why;
	p->pending |= VERDICT;
	drain_and_unlock(p);
}

bool peer_raise_hangup(struct nbs_peer *p, enum nbs_reason reason)
{
	bool first;

	pthread_mutex_lock(&p->lock);
	first = !p->hung_up && !p->detached;
	if (first) {
		p->hung_up = true;
		p->reason = reason;
		p->pending |= HANGUP;
	}
	drain_and_unlock(p);
	return first;
}

bool peer_prepare(struct nbs_peer *p, struct mailbox *box)
{
	bool watch;

	pthread_mutex_lock(&p->lock);
	p->verdict = 0;
	p->why = "";
	p->pending |= VERDICT;
	mailbox_move(&p->box, box);
	if (p->box.count > 0) {
		p->awake = true;
		p->progress_ms = clock_ms();
		p->pending |= WAKE;
	}
	watch = p->watched = p->box.count > 0 && !p->detached;
	pthread_mutex_unlock(&p->lock);
	return watch;
}

void peer_deliver(struct nbs_peer *p)
{
	pthread_mutex_lock(&p->lock);
	drain_and_unlock(p);
}

int peer_push(struct nbs_peer *p, const struct mailbox_bounds *bounds,
              struct mailbox_budget *budget, struct message *msg, struct mailbox_dropped *dropped,
              bool *watch)
{
	int r = -ESTALE;
	bool was_empty;

	*watch = false;
	pthread_mutex_lock(&p->lock);
	was_empty = p->box.count == 0; /* before: an overflow may leave the new one alone, too */
	if (p->closed || (r = mailbox_push(&p->box, bounds, budget, msg, dropped)) < 0) {
		pthread_mutex_unlock(&p->lock);
		return r;
	}
	if (was_empty)
		p->progress_ms = clock_ms();
	if (!p->awake) {
		p->awake = true;
		p->pending |= WAKE;
	}
	if (!p->watched && !p->detached)
		*watch = p->watched = true;
	drain_and_unlock(p);
	return 0;
}

struct message *peer_take(struct nbs_peer *p, struct mailbox_budget *budget)
{
	struct message *msg;

	pthread_mutex_lock(&p->lock);
	if ((msg = mailbox_pop(&p->box, budget)) == NULL)
		p->awake = false;
	else
		p->progress_ms = clock_ms();
	pthread_mutex_unlock(&p->lock);
	return msg;
}

bool peer_was_stalled(struct nbs_peer *p)
{
	bool stalled;

	pthread_mutex_lock(&p->lock);
	stalled = p->hung_up && p->reason == NBS_STALLED;
	pthread_mutex_unlock(&p->lock);
	return stalled;
}

struct mailbox peer_close_mailbox(struct nbs_peer *p)
{
	struct mailbox box = {0};

	pthread_mutex_lock(&p->lock);
	p->closed = true;
	mailbox_move(&box, &p->box);
	pthread_mutex_unlock(&p->lock);
	return box;
}

enum peer_progress peer_check_progress(struct nbs_peer *p, uint64_t since_ms)
{
	enum peer_progress progress = PEER_WAITING;

	pthread_mutex_lock(&p->lock);
	if (p->box.count == 0 || p->detached || p->hung_up)
		progress = PEER_IDLE;
	else if (p->progress_ms <= since_ms)
		progress = PEER_STUCK;
	if (progress != PEER_WAITING)
		p->watched = false;
	pthread_mutex_unlock(&p->lock);
	return progress;
}

void peer_detach(struct nbs_peer *p)
{
	pthread_mutex_lock(&p->lock);
	p->detached = true;
	while (p->draining && !pthread_equal(p->drainer, pthread_self()))
		pthread_cond_wait(&p->drained, &p->lock);
	pthread_mutex_unlock(&p->lock);
}
