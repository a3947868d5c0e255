/* swarm.c - the event loop and the book-keeping of many peers; see swarm.h. */
#include "swarm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

#define EVENTS 512
#define NS_PER_MS UINT64_C(1000000)

/* One message in flight; its place is free again when both are true. */
struct slot {
	struct peer_call call; /* first: answered() gets it back */
	struct frame frame;
	struct peer *to;
	uint64_t sent_ns;
	bool in_flight, answered, arrived;
};

struct swarm {
	struct swarm_options opt;
	struct peer_shared *shared;
	int epoll;
	struct peer **peers;
	unsigned opened, registered;
	struct peer **busy; /* who has something to write */
	unsigned n_busy;
	struct slot *slots;
	struct slot **idle; /* a stack of the slots not in flight */
	unsigned n_idle;
	unsigned next_self;
	uint64_t random;
	uint64_t begun, done;
	uint64_t moved_ns; /* when something last happened */
	struct hist *latency;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 * NS_PER_MS + (uint64_t)ts.tv_nsec;
}

static int complain(const char *what, int err)
{
	fprintf(stderr, "loadgen: %s: %s\n", what, strerror(err));
	return -err;
}

/* --- what the peers report ------------------------------------------------------------------ */

static int on_registered(void *arg, struct peer *p)
{
	struct swarm *s = arg;

	(void)p;
	s->registered++;
	s->moved_ns = now_ns();
	return 0;
}

static void free_if_complete(struct swarm *s, struct slot *slot)
{
	if (!slot->answered || !slot->arrived)
		return;
	slot->in_flight = false;
	s->idle[s->n_idle++] = slot;
	s->done++;
}

static int on_answered(void *arg, struct peer_call *call)
{
	struct swarm *s = arg;
	struct slot *slot = (struct slot *)call;

	slot->answered = true;
	free_if_complete(s, slot);
	return 0;
}

static int on_message(void *arg, struct peer *p, const uint8_t *msg, size_t len)
{
	struct swarm *s = arg;
	struct frame_stamp stamp;
	struct frame_view view;
	struct slot *slot;

	if (frame_parse(&view, &stamp, msg, len) < 0)
		return complain("a message arrived that is no EncryptedMessage", EBADMSG);
	if (stamp.slot >= s->opt.outstanding)
		return complain("a message arrived that was never sent", EBADMSG);
	slot = &s->slots[stamp.slot];
	if (!slot->in_flight || slot->arrived || slot->sent_ns != stamp.sent_ns)
		return complain("a message arrived twice or too late", EBADMSG);
	if (slot->to != p)
		return complain("a message arrived at a wrong peer", EBADMSG);
	if (!frame_matches(&slot->frame, &view))
		return complain("a message arrived changed", EBADMSG);
	s->moved_ns = now_ns();
	hist_add(s->latency, s->moved_ns - slot->sent_ns);
	slot->arrived = true;
	free_if_complete(s, slot);
	return 0;
}

static void on_busy(void *arg, struct peer *p)
{
	struct swarm *s = arg;

	s->busy[s->n_busy++] = p; /* each peer at most once: see peer.h */
}

static const struct peer_ops ops = {
    .registered = on_registered,
    .message = on_message,
    .answered = on_answered,
    .busy = on_busy,
};

/* --- the event loop ------------------------------------------------------------------------- */

static int flush_busy(struct swarm *s)
{
	int r;

	while (s->n_busy > 0)
		if ((r = peer_flush(s->busy[--s->n_busy])) < 0)
			return r;
	return 0;
}

static int turn(struct swarm *s, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	int n, r;

	if ((r = flush_busy(s)) < 0)
		return r;
	if ((n = epoll_wait(s->epoll, events, EVENTS, timeout_ms)) < 0)
		return errno == EINTR ? 0 : complain("epoll_wait", errno);
	for (int i = 0; i < n; i++)
		if ((r = peer_ready(events[i].data.ptr)) < 0)
			return r;
	return flush_busy(s);
}

/* A turn of which something is expected. */
static int turn_impatient(struct swarm *s, const char *what)
{
	int r;

	if ((r = turn(s, 100)) < 0)
		return r;
	if (now_ns() - s->moved_ns < s->opt.patience_ms * NS_PER_MS)
		return 0;
	fprintf(stderr,
	        "loadgen: nothing moves: %u of %u registered, %" PRIu64 " of %" PRIu64
	        " messages complete\n",
	        s->registered, s->opened, s->done, s->begun);
	return complain(what, ETIMEDOUT);
}

/* --- what the swarm does -------------------------------------------------------------------- */

/* As a WireGuard public key looks, and ever the same for one number. */
static void make_id(unsigned number, char id[static FRAME_ID])
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint64_t x = number * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (int i = 0; i < FRAME_ID - 1; i++) {
		x ^= x >> 30;
		x *= UINT64_C(0xbf58476d1ce4e5b9);
		x ^= x >> 27;
		id[i] = digits[x & 63];
		x += number + 1;
	}
	id[FRAME_ID - 1] = '=';
}

static int open_one(struct swarm *s)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
	char id[FRAME_ID];
	struct peer *p;
	int r;

	make_id(s->opened, id);
	if ((r = peer_open(&p, s->shared, id)) < 0)
		return r;
	s->peers[s->opened++] = p;
	event.data.ptr = p;
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, peer_fd(p), &event) != 0)
		return complain("epoll_ctl", errno);
	return 0;
}

int swarm_join(struct swarm *s, unsigned upto, struct swarm_result *res)
{
	uint64_t start = now_ns();
	unsigned before = s->registered;
	int r;

	s->moved_ns = start;
	while (s->registered < upto) {
		while (s->opened < upto && s->opened - s->registered < s->opt.outstanding)
			if ((r = open_one(s)) < 0)
				return r;
		if ((r = turn_impatient(s, "registering")) < 0)
			return r;
	}
	res->done = s->registered - before;
	res->ns = s->moved_ns - start;
	return 0;
}

static unsigned pick(struct swarm *s)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return (unsigned)((s->random >> 32) * s->opt.peers >> 32);
}

static int send_one(struct swarm *s, enum swarm_pairs pairs)
{
	struct slot *slot = s->idle[--s->n_idle];
	struct frame_stamp stamp = {.slot = (uint64_t)(slot - s->slots)};
	struct peer *from;

	if (pairs == SWARM_SELF) {
		from = slot->to = s->peers[s->next_self++ % s->opt.peers];
	} else {
		from = s->peers[pick(s)];
		slot->to = s->peers[pick(s)];
	}
	stamp.sent_ns = slot->sent_ns = now_ns();
	slot->in_flight = true;
	slot->answered = slot->arrived = false;
	frame_address(&slot->frame, peer_id(from), peer_id(slot->to), &stamp);
	slot->call.bytes = slot->frame.bytes;
	slot->call.len = slot->frame.len;
	s->begun++;
	return peer_call(from, &slot->call);
}

int swarm_send(struct swarm *s, const struct swarm_load *load, struct hist *latency,
               struct swarm_result *res)
{
	uint64_t start = now_ns(), stop = start + load->at_most_ms * NS_PER_MS;
	int r;

	s->begun = s->done = 0;
	s->moved_ns = start;
	s->latency = latency;
	do {
		while (s->n_idle > 0 && s->begun < load->messages &&
		       (s->begun == 0 || s->moved_ns < stop))
			if ((r = send_one(s, load->pairs)) < 0)
				return r;
		if ((r = turn_impatient(s, "sending")) < 0)
			return r;
	} while (s->done < s->begun || (s->begun < load->messages && s->moved_ns < stop));
	res->done = s->done;
	res->ns = now_ns() - start;
	return 0;
}

int swarm_wait(struct swarm *s, unsigned ms)
{
	uint64_t now = now_ns(), until = now + ms * NS_PER_MS;
	int r;

	for (; now < until; now = now_ns())
		if ((r = turn(s, (int)((until - now + NS_PER_MS - 1) / NS_PER_MS))) < 0)
			return r;
	return 0;
}

void swarm_leave(struct swarm *s)
{
	while (s->opened > 0)
		peer_close(s->peers[--s->opened]);
	s->registered = s->n_busy = 0;
}

/* --- beginning and end ---------------------------------------------------------------------- */

static int make_slots(struct swarm *s)
{
	unsigned n = s->opt.outstanding;

	s->slots = calloc(n, sizeof(*s->slots));
	s->idle = calloc(n, sizeof(struct slot *));
	if (s->slots == NULL || s->idle == NULL)
		return -ENOMEM;
	for (; s->n_idle < n; s->n_idle++) {
		s->idle[s->n_idle] = &s->slots[s->n_idle];
		if (frame_new(&s->slots[s->n_idle].frame, s->opt.body) < 0)
			return -ENOMEM;
	}
	return 0;
}

int swarm_new(struct swarm **sp, const struct swarm_options *opt)
{
	struct swarm *s;
	int r;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return complain("swarm", ENOMEM);
	s->opt = *opt;
	s->random = UINT64_C(0x2545f4914f6cdd1d); /* every run sends the same pairs */
	if ((s->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) {
		r = complain("epoll_create1", errno);
		goto err;
	}
	s->peers = calloc(opt->peers, sizeof(struct peer *));
	s->busy = calloc(opt->peers, sizeof(struct peer *));
	if (s->peers == NULL || s->busy == NULL || make_slots(s) < 0) {
		r = complain("swarm", ENOMEM);
		goto err;
	}
	if ((r = peer_shared_new(&s->shared, &opt->target, &ops, s)) < 0)
		goto err;
	*sp = s;
	return 0;
err:
	swarm_free(s);
	return r;
}

void swarm_free(struct swarm *s)
{
	if (s == NULL)
		return;
	swarm_leave(s);
	peer_shared_free(s->shared);
	for (unsigned i = 0; s->slots != NULL && i < s->opt.outstanding; i++)
		frame_free(&s->slots[i].frame);
	free(s->slots);
	free(s->idle);
	free(s->busy);
	free(s->peers);
	if (s->epoll >= 0)
		close(s->epoll);
	free(s);
}
