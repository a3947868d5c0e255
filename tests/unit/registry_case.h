/* A registry with a forwarder and a transport that writes down what it is told.  Time is what the
 * tests say to registry_tick(). */
#ifndef REGISTRY_CASE_H
#define REGISTRY_CASE_H

#include "clock.h"
#include "drops.h"
#include "forwarder.h"
#include "message.h"
#include "metrics.h"
#include "registry.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

struct transport {
	struct nbs_peer *lease;
	unsigned registered, wakes, hangups;
	int verdict;
	enum nbs_reason reason;
	char why[80];
	bool deregister_in_callback;
};

struct registry_case {
	struct metrics *metrics;
	struct drops *drops;
	struct registry *registry;
	struct forwarder *forwarder;
	atomic_uint leases;
};

static struct registry_case rc;

static void on_registered(void *cookie, int verdict, const char *why)
{
	struct transport *t = cookie;

	t->registered++;
	t->verdict = verdict;
	snprintf(t->why, sizeof(t->why), "%s", why);
}

static void on_wake(void *cookie)
{
	((struct transport *)cookie)->wakes++;
}

static void on_hangup(void *cookie, enum nbs_reason reason)
{
	struct transport *t = cookie;

	t->hangups++;
	t->reason = reason;
	if (t->deregister_in_callback)
		registry_deregister(t->lease);
}

static const struct nbs_peer_ops transport_ops = {
    .size = sizeof(transport_ops),
    .registered = on_registered,
    .wake = on_wake,
    .hangup = on_hangup,
};

static const struct registry_settings default_settings = {
    .mailbox_messages = 4,
    .mailbox_bytes = 1 << 20,
    .mailbox_total_bytes = 1 << 20,
    .send_timeout = 10000,
    .grace_period = 5000,
    .admission_timeout = 10000,
    .replace_burst = 3,
    .replace_interval = 1000000,
};

static inline void registry_case_open(void)
{
	cr_assert_eq(metrics_open(&rc.metrics), 0);
	cr_assert_eq(drops_open(&rc.drops, rc.metrics), 0);
	cr_assert_eq(registry_open(&rc.registry, &default_settings, rc.metrics, rc.drops), 0);
	cr_assert_eq(forwarder_open(&rc.forwarder, rc.registry, rc.drops, 4096, rc.metrics), 0);
}

static inline void registry_case_close(void)
{
	cr_assert_eq(rc.leases, 0, "the test left a lease");
	forwarder_close(rc.forwarder);
	registry_close(rc.registry);
	drops_close(rc.drops);
	metrics_close(rc.metrics);
}

static inline int try_join(struct transport *t, const char *id)
{
	*t = (struct transport){0};
	return registry_register(rc.registry, &rc.leases, id, strlen(id), &transport_ops, t,
	                         &t->lease);
}

static inline void join(struct transport *t, const char *id)
{
	cr_assert_eq(try_join(t, id), 0);
	cr_assert_eq(t->registered, 1);
	cr_assert_eq(t->verdict, 0);
}

static inline void leave(struct transport *t)
{
	registry_deregister(t->lease);
}

/* A message to `to` whose body is `text`. */
static inline int send_text(const char *to, const char *text)
{
	unsigned char wire[256];
	size_t to_len = strlen(to), text_len = strlen(text);
	const struct iovec piece = {wire, 4 + to_len + text_len};

	wire[0] = 0x1a;
	wire[1] = (unsigned char)to_len;
	memcpy(wire + 2, to, to_len);
	wire[2 + to_len] = 0x22;
	wire[3 + to_len] = (unsigned char)text_len;
	memcpy(wire + 4 + to_len, text, text_len);
	return forwarder_forward(rc.forwarder, &piece, 1, 0);
}

static inline void expect_text(struct transport *t, const char *text)
{
	struct message *msg = registry_take(t->lease);
	size_t len = strlen(text);

	cr_assert_not_null(msg, "expected \"%s\", got nothing", text);
	cr_assert_geq(msg->pub.len, len);
	cr_assert_arr_eq(msg->bytes + msg->pub.len - len, text, len);
	message_unref(msg);
}

static inline void expect_nothing(struct transport *t)
{
	cr_assert_null(registry_take(t->lease));
}

static inline void tick_after(uint64_t ms)
{
	registry_tick(rc.registry, clock_ms() + ms);
}

struct wanted {
	const char *name, *labels;
	double value;
	bool found;
};

static void look(void *arg, const struct nbs_metric_desc *d, const double *values, size_t n)
{
	struct wanted *w = arg;

	if (strcmp(d->name, w->name) != 0 || strcmp(d->labels, w->labels) != 0)
		return;
	w->found = true;
	w->value = d->kind == NBS_HISTOGRAM ? values[n - 2] : values[0];
}

/* The value of a series; of a histogram its count. */
static inline double metric(const char *name, const char *labels)
{
	struct wanted w = {.name = name, .labels = labels};

	metrics_each(rc.metrics, look, &w);
	cr_assert(w.found, "no series %s{%s}", name, labels);
	return w.value;
}

static inline double failures(const char *type)
{
	char labels[64];

	snprintf(labels, sizeof(labels), "type=\"%s\"", type);
	return metric("message_forward_failures_total", labels);
}

#endif
