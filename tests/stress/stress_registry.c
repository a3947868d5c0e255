/*
 * Registry and mailboxes under everything at once: transports that register, are replaced, say
 * "not now", stall and leave; senders; an admission plugin that decides later on a thread of its
 * own; the clock.  Run under ThreadSanitizer and AddressSanitizer.
 *
 * Checked: no callback after deregister (a cookie is poisoned the moment the barrier returns),
 * none before or twice at a time; order from each sender to each receiver; every accepted message
 * is taken or counted as dropped, exactly.
 */
#include "clock.h"
#include "drops.h"
#include "forwarder.h"
#include "log.h"
#include "message.h"
#include "metrics.h"
#include "registry.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDS 24
#define TRANSPORTS 6
#define SENDERS 4
#define ROUNDS 500     /* registrations per transport thread */
#define DEADLINE_S 120 /* for the whole program */

#define ALIVE 0x600df00du
#define DEAD 0xdeadbeefu

static struct metrics *metrics;
static struct drops *drops;
static struct registry *registry;
static struct forwarder *forwarder;
static atomic_uint leases;
static atomic_ullong accepted, taken;
static atomic_bool finished;

static void fail(const char *what)
{
	fprintf(stderr, "stress_registry: %s\n", what);
	abort();
}

/* --- a transport's connection ---------------------------------------------------------------- */

struct connection {
	_Atomic unsigned magic;
	atomic_int inside; /* callbacks running */
	atomic_bool decided, admitted, woken, hung_up;
	struct nbs_peer *lease;
};

static struct connection *enter(void *cookie)
{
	struct connection *c = cookie;

	if (atomic_load(&c->magic) != ALIVE)
		fail("a callback after deregister");
	if (atomic_fetch_add(&c->inside, 1) != 0)
		fail("two callbacks at a time");
	return c;
}

static void on_registered(void *cookie, int verdict, const char *why)
{
	struct connection *c = enter(cookie);

	(void)why;
	if (atomic_exchange(&c->decided, true))
		fail("two verdicts");
	atomic_store(&c->admitted, verdict == 0);
	atomic_fetch_sub(&c->inside, 1);
}

static void on_wake(void *cookie)
{
	struct connection *c = enter(cookie);

	if (!atomic_load(&c->admitted))
		fail("a wake before the verdict");
	atomic_store(&c->woken, true);
	atomic_fetch_sub(&c->inside, 1);
}

static void on_hangup(void *cookie, enum nbs_reason reason)
{
	struct connection *c = enter(cookie);

	(void)reason;
	if (atomic_exchange(&c->hung_up, true))
		fail("two hang-ups");
	atomic_fetch_sub(&c->inside, 1);
}

static const struct nbs_peer_ops ops = {
    .size = sizeof(ops), .registered = on_registered, .wake = on_wake, .hangup = on_hangup};

/* --- order ----------------------------------------------------------------------------------- */

/* The last number that each receiver has seen of each sender.  A mailbox that moves to a new lease
 * keeps its order, so this holds over all leases of an id; drops only leave gaps.  Two leases of
 * one id may take at the same moment, so only numbers of one lease are compared. */
struct seen {
	unsigned last[SENDERS];
};

static void check_order(struct seen *seen, const struct message *msg)
{
	unsigned sender, number;

	memcpy(&sender, msg->bytes + msg->pub.len - 8, 4);
	memcpy(&number, msg->bytes + msg->pub.len - 4, 4);
	if (sender >= SENDERS)
		fail("a message that nobody sent");
	if (number <= seen->last[sender])
		fail("messages of one sender out of order");
	seen->last[sender] = number;
}

/* --- threads --------------------------------------------------------------------------------- */

static unsigned next_random(unsigned *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void take_some(struct connection *c, struct seen *seen, unsigned at_most)
{
	struct message *msg;

	while (at_most-- > 0 && (msg = registry_take(c->lease)) != NULL) {
		check_order(seen, msg);
		message_unref(msg);
		atomic_fetch_add(&taken, 1);
	}
}

static void live(struct connection *c, unsigned *random)
{
	struct seen seen = {{0}};
	unsigned patience = next_random(random) % 12;

	while (!atomic_load(&c->hung_up) && patience-- > 0) {
		if (!atomic_load(&c->admitted) || next_random(random) % 3 == 0)
			sched_yield(); /* not now */
		else if (atomic_exchange(&c->woken, false))
			take_some(c, &seen, 1 + next_random(random) % 8);
	}
	if (next_random(random) % 2 == 0)
		take_some(c, &seen, 1000);
}

static void *transport_main(void *arg)
{
	unsigned random = (unsigned)(size_t)arg * 7919 + 1;
	char id[16];

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct connection *c = calloc(1, sizeof(*c));

		atomic_store(&c->magic, ALIVE);
		snprintf(id, sizeof(id), "id-%u", next_random(&random) % IDS);
		if (registry_register(registry, &leases, id, strlen(id), &ops, c, &c->lease) != 0)
			fail("peer_register");
		live(c, &random);
		registry_deregister(c->lease);
		if (atomic_load(&c->inside) != 0)
			fail("the barrier let a callback run on");
		atomic_store(&c->magic, DEAD);
		free(c);
	}
	return NULL;
}

static void *sender_main(void *arg)
{
	unsigned sender = (unsigned)(size_t)arg, random = sender * 31337 + 5;
	unsigned char wire[64];
	unsigned number = 0;
	char id[16];
	int r;

	while (!atomic_load(&finished)) {
		size_t id_len =
		    (size_t)snprintf(id, sizeof(id), "id-%u", next_random(&random) % IDS);
		const struct iovec piece = {wire, id_len + 12};

		number++;
		wire[0] = 0x1a;
		wire[1] = (unsigned char)id_len;
		memcpy(wire + 2, id, id_len);
		wire[2 + id_len] = 0x22;
		wire[3 + id_len] = 8;
		memcpy(wire + 4 + id_len, &sender, 4);
		memcpy(wire + 8 + id_len, &number, 4);
		r = forwarder_forward(forwarder, &piece, 1, 0);
		if (r == 0)
			atomic_fetch_add(&accepted, 1);
		else if (r != -ENOENT && r != -ENOBUFS)
			fail("forward");
	}
	return NULL;
}

/* The main thread of a daemon: the clock, in jumps. */
static void *clock_main(void *arg)
{
	unsigned random = 3;

	(void)arg;
	while (!atomic_load(&finished)) {
		registry_tick(registry, clock_ms() + (next_random(&random) % 8 == 0 ? 60 : 0));
		sched_yield();
	}
	return NULL;
}

/* --- admission ------------------------------------------------------------------------------- */

#define QUESTIONS 64
static pthread_mutex_t questions_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nbs_admission *questions[QUESTIONS];
static unsigned n_questions;

static int admit(void *self, struct nbs_admission *ask, const char *id, size_t len,
                 const char **why)
{
	static _Thread_local unsigned random = 11;
	int answer = 0;

	(void)self;
	(void)id;
	(void)len;
	*why = "no";
	switch (next_random(&random) % 4) {
	case 0:
		return -EACCES;
	case 1:
		pthread_mutex_lock(&questions_lock);
		if (n_questions < QUESTIONS) {
			questions[n_questions++] = ask;
			answer = -EINPROGRESS;
		}
		pthread_mutex_unlock(&questions_lock);
		return answer;
	default:
		return 0;
	}
}

static bool answer_one(unsigned *random)
{
	struct nbs_admission *ask = NULL;

	pthread_mutex_lock(&questions_lock);
	if (n_questions > 0)
		ask = questions[--n_questions];
	pthread_mutex_unlock(&questions_lock);
	if (ask == NULL)
		return false;
	registry_admission_decide(ask, next_random(random) % 4 == 0 ? -EACCES : 0, "later no");
	return true;
}

static void *admission_main(void *arg)
{
	unsigned random = 17;

	(void)arg;
	while (!atomic_load(&finished))
		if (!answer_one(&random))
			sched_yield();
	while (answer_one(&random))
		;
	return NULL;
}

/* --- the whole ------------------------------------------------------------------------------- */

static double dropped_total;

static void add_dropped(void *arg, const struct nbs_metric_desc *d, const double *values, size_t n)
{
	(void)arg;
	(void)n;
	if (strcmp(d->name, "mailbox_dropped_messages_total") == 0)
		dropped_total += values[0];
	if (strcmp(d->name, "active_peers") == 0 && values[0] != 0)
		fail("active_peers is not 0 at the end");
	if (strcmp(d->name, "mailbox_bytes") == 0 && values[0] != 0)
		fail("mailboxes hold bytes after the end");
}

static void set_up(void)
{
	const struct registry_settings settings = {.mailbox_messages = 16,
	                                           .mailbox_bytes = 1 << 16,
	                                           .mailbox_total_bytes = 64 * 1024,
	                                           .send_timeout = 50,
	                                           .grace_period = 5,
	                                           .admission_timeout = 20};
	static const struct nbs_admission_ops gate = {.size = sizeof(gate), .admit = admit};

	log_set_level(NBS_ERROR);
	if (metrics_open(&metrics) < 0 || drops_open(&drops, metrics) < 0 ||
	    registry_open(&registry, &settings, metrics, drops) < 0 ||
	    forwarder_open(&forwarder, registry, drops, 4096, metrics) < 0 ||
	    registry_add_admission(registry, &gate, NULL) < 0)
		fail("set-up");
}

/* A message that was refused with -ENOBUFS is counted as dropped but was not accepted. */
static void check_sums(void)
{
	unsigned long long in = atomic_load(&accepted), out = atomic_load(&taken);

	registry_stop(registry);
	registry_tick(registry, UINT64_MAX);
	metrics_each(metrics, add_dropped, NULL);
	if (leases != 0)
		fail("a lease is left");
	if (out + (unsigned long long)dropped_total < in)
		fail("messages are lost without being counted");
	printf("registrations=%u accepted=%llu taken=%llu dropped=%.0f\n", TRANSPORTS * ROUNDS, in,
	       out, dropped_total);
}

int main(void)
{
	pthread_t transports[TRANSPORTS], senders[SENDERS], clock_thread, admission_thread;

	alarm(DEADLINE_S);
	set_up();
	pthread_create(&clock_thread, NULL, clock_main, NULL);
	pthread_create(&admission_thread, NULL, admission_main, NULL);
	for (size_t i = 0; i < SENDERS; i++)
		pthread_create(&senders[i], NULL, sender_main, (void *)i);
	for (size_t i = 0; i < TRANSPORTS; i++)
		pthread_create(&transports[i], NULL, transport_main, (void *)i);
	for (size_t i = 0; i < TRANSPORTS; i++)
		pthread_join(transports[i], NULL);
	atomic_store(&finished, true);
	for (size_t i = 0; i < SENDERS; i++)
		pthread_join(senders[i], NULL);
	pthread_join(clock_thread, NULL);
	pthread_join(admission_thread, NULL);
	check_sums();
	forwarder_close(forwarder);
	registry_close(registry);
	drops_close(drops);
	metrics_close(metrics);
	return 0;
}
