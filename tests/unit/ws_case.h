/*
 * A host for plugins/websocket: one thread, one WebSocket at a time for each `struct nbs_ws`, and
 * registrations whose callbacks the test calls itself.  What the contract forbids the plugin is
 * asserted here.
 */
#ifndef WS_CASE_H
#define WS_CASE_H

#include <netbird-signal/plugin.h>

#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITTEN_MAX 65536
#define MAX_MESSAGE 4096

struct nbs_peer {
	char id[NBS_ID_MAX + 1];
	const struct nbs_peer_ops *ops;
	void *cookie;
	struct nbs_msg *box[8]; /* what peer_take() gives, in order */
	size_t put, taken;
	bool back;
};

struct nbs_ws {
	/* Set by the test. */
	const char *query, *header;
	size_t room; /* how much ws_write() takes from now on */

	const struct nbs_ws_ops *ops;
	void *cookie;
	unsigned char written[WRITTEN_MAX];
	size_t n_written;
	unsigned flags[64]; /* of each call that took something */
	size_t n_flags;
	atomic_uint wakes;
	bool paused, in_open, closed;
	unsigned code; /* of ws_close() */
	char reason[256];
	bool lease_was_back; /* when ws_close() came */
	struct nbs_conn *inner;
};

struct nbs_conn {
	const struct nbs_carrier_ops *ops;
	void *cookie;
	unsigned char bytes[WRITTEN_MAX];
	size_t len;
	unsigned writable; /* calls of carried_writable() */
	bool stops;        /* the next bytes stop the flow, from inside carried_bytes() */
	bool ended;
	int err;
};

struct nbs_metric {
	char name[160];
	_Atomic double value;
};

static struct {
	struct nbs_metric metrics[64];
	size_t n_metrics;
	const struct nbs_ws_path *paths[4];
	void *path_arg[4];
	size_t n_paths;
	struct nbs_peer lease; /* the latest */
	unsigned leases, refused[3];
	int register_error;
	bool undecided; /* registered() does not come by itself */
	unsigned char forwarded[WRITTEN_MAX];
	size_t n_forwarded, forwards;
	const void *forwarded_from; /* of a message in one part */
	int forward_error;
	int carry_error;
	struct nbs_conn inner;
	int64_t timeout, memory;
	void *self;
	struct nbs_host table;
} host;

static void fake_log(struct nbs_host *h, enum nbs_level level, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	(void)h;
	(void)level;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
}

static int fake_log_enabled(struct nbs_host *h, enum nbs_level level)
{
	(void)h;
	(void)level;
	return 1;
}

static void fake_limits(struct nbs_host *h, struct nbs_limits *limits)
{
	(void)h;
	limits->max_message = MAX_MESSAGE;
	limits->max_id = NBS_ID_MAX;
}

static int fake_duration(struct nbs_host *h, const char *key, int64_t min, int64_t max, int64_t *ms)
{
	(void)h;
	cr_assert_str_eq(key, "message-timeout");
	cr_assert(*ms >= min && *ms <= max);
	if (host.timeout != 0)
		*ms = host.timeout;
	return 0;
}

static int fake_size(struct nbs_host *h, const char *key, int64_t min, int64_t max, int64_t *bytes)
{
	(void)h;
	cr_assert_str_eq(key, "receive-memory");
	cr_assert(*bytes >= min && *bytes <= max);
	if (host.memory != 0)
		*bytes = host.memory;
	return 0;
}

static int fake_metric(struct nbs_host *h, const struct nbs_metric_desc *desc,
                       struct nbs_metric **out)
{
	struct nbs_metric *m = &host.metrics[host.n_metrics++];

	(void)h;
	cr_assert(host.n_metrics <= sizeof(host.metrics) / sizeof(host.metrics[0]));
	snprintf(m->name, sizeof(m->name), "%s{%s}", desc->name,
	         desc->labels != NULL ? desc->labels : "");
	*out = m;
	return 0;
}

static void fake_record(struct nbs_metric *m, double value)
{
	double old = atomic_load(&m->value);

	while (!atomic_compare_exchange_weak(&m->value, &old, old + value))
		;
}

static inline double metric(const char *name)
{
	for (size_t i = 0; i < host.n_metrics; i++)
		if (strcmp(host.metrics[i].name, name) == 0)
			return atomic_load(&host.metrics[i].value);
	cr_assert(false, "no metric %s", name);
	return 0;
}

static int fake_ws_register(struct nbs_host *h, const struct nbs_ws_path *path, void *arg)
{
	(void)h;
	host.paths[host.n_paths] = path;
	host.path_arg[host.n_paths++] = arg;
	return 0;
}

/* --- peers --- */

static int fake_peer_register(struct nbs_host *h, const char *id, size_t len,
                              const struct nbs_peer_ops *ops, void *cookie, struct nbs_peer **lease)
{
	(void)h;
	if (host.register_error < 0)
		return host.register_error;
	cr_assert(len <= NBS_ID_MAX);
	host.lease = (struct nbs_peer){.ops = ops, .cookie = cookie};
	memcpy(host.lease.id, id, len);
	host.leases++;
	*lease = &host.lease;
	if (!host.undecided)
		ops->registered(cookie, 0, "");
	return 0;
}

static struct nbs_msg *fake_peer_take(struct nbs_peer *lease)
{
	cr_assert_not(lease->back);
	return lease->taken < lease->put ? lease->box[lease->taken++] : NULL;
}

static void fake_peer_deregister(struct nbs_peer *lease)
{
	cr_assert_not(lease->back);
	lease->back = true;
	host.leases--;
}

static void fake_peer_refused(struct nbs_host *h, enum nbs_refusal why)
{
	(void)h;
	host.refused[why]++;
}

static int fake_forward(struct nbs_host *h, const struct iovec *wire, size_t n, unsigned flags)
{
	(void)h;
	(void)flags;
	host.n_forwarded = 0;
	host.forwarded_from = n == 1 ? wire[0].iov_base : NULL;
	for (size_t i = 0; i < n; i++) {
		memcpy(host.forwarded + host.n_forwarded, wire[i].iov_base, wire[i].iov_len);
		host.n_forwarded += wire[i].iov_len;
	}
	host.forwards++;
	return host.forward_error;
}

static void fake_unref(struct nbs_msg *msg)
{
	free(msg);
}

/* Into the mailbox, and the wake that the daemon would send. */
static inline void deliver(const void *bytes, size_t len)
{
	struct nbs_msg *msg = calloc(1, sizeof(*msg));

	msg->wire = bytes;
	msg->len = len;
	host.lease.box[host.lease.put++] = msg;
	host.lease.ops->wake(host.lease.cookie);
}

/* --- WebSockets --- */

static int give(const char *from, char *value, size_t size)
{
	if (from == NULL)
		return -ENOENT;
	if (strlen(from) >= size)
		return -ENOSPC;
	memcpy(value, from, strlen(from) + 1);
	return (int)strlen(from);
}

static int fake_query(struct nbs_ws *ws, const char *name, char *value, size_t size)
{
	cr_assert(ws->in_open);
	cr_assert_str_eq(name, "peer");
	return give(ws->query, value, size);
}

static int fake_header(struct nbs_ws *ws, const char *name, char *value, size_t size)
{
	cr_assert(ws->in_open);
	cr_assert_str_eq(name, "x-wiretrustee-peer-id");
	return give(ws->header, value, size);
}

static void fake_about(struct nbs_ws *ws, struct nbs_conn_about *about)
{
	cr_assert(ws->in_open);
	about->id = 7;
	strcpy(about->remote, "192.0.2.1:40000");
}

static size_t fake_write(struct nbs_ws *ws, const void *bytes, size_t len, unsigned flags)
{
	const size_t n = len < ws->room ? len : ws->room;

	cr_assert_not(ws->closed);
	if (ws->code != 0)
		return len;
	if (n > 0 || len == 0) {
		memcpy(ws->written + ws->n_written, bytes, n);
		ws->n_written += n;
		ws->flags[ws->n_flags++] = flags;
	}
	ws->room -= n;
	return n;
}

static void fake_pause(struct nbs_ws *ws)
{
	ws->paused = true;
}

static void fake_resume(struct nbs_ws *ws)
{
	ws->paused = false;
}

static void fake_close(struct nbs_ws *ws, unsigned code, const char *reason)
{
	cr_assert_eq(ws->code, 0, "closed twice");
	ws->code = code;
	ws->lease_was_back = host.leases == 0;
	if (reason != NULL) {
		cr_assert(strlen(reason) < sizeof(ws->reason));
		strcpy(ws->reason, reason);
	}
}

static void fake_wake(struct nbs_ws *ws)
{
	atomic_fetch_add(&ws->wakes, 1);
}

/* --- what is carried --- */

static int fake_carry(struct nbs_ws *ws, const char *protocol, const struct nbs_carrier_ops *ops,
                      void *cookie, struct nbs_conn **inner)
{
	cr_assert_str_eq(protocol, "h2");
	if (host.carry_error < 0)
		return host.carry_error;
	host.inner = (struct nbs_conn){.ops = ops, .cookie = cookie};
	*inner = ws->inner = &host.inner;
	return 0;
}

static void fake_carried_bytes(struct nbs_conn *inner, const void *bytes, size_t len)
{
	cr_assert_not(inner->ended);
	memcpy(inner->bytes + inner->len, bytes, len);
	inner->len += len;
	if (inner->stops) {
		inner->stops = false;
		inner->ops->flow(inner->cookie, 0);
	}
}

static void fake_carried_writable(struct nbs_conn *inner)
{
	cr_assert_not(inner->ended);
	inner->writable++;
}

static void fake_carried_end(struct nbs_conn *inner, int err)
{
	cr_assert_not(inner->ended);
	inner->ended = true;
	inner->err = err;
}

static const struct nbs_host fake_table = {
    .size = sizeof(struct nbs_host),
    .abi = NBS_ABI,
    .log = fake_log,
    .log_enabled = fake_log_enabled,
    .limits = fake_limits,
    .conf_duration = fake_duration,
    .conf_size = fake_size,
    .metric_register = fake_metric,
    .metric_record = fake_record,
    .peer_register = fake_peer_register,
    .peer_take = fake_peer_take,
    .peer_deregister = fake_peer_deregister,
    .peer_refused = fake_peer_refused,
    .forward = fake_forward,
    .msg_unref = fake_unref,
    .ws_register = fake_ws_register,
    .ws_header = fake_header,
    .ws_query = fake_query,
    .ws_about = fake_about,
    .ws_write = fake_write,
    .ws_pause = fake_pause,
    .ws_resume = fake_resume,
    .ws_close = fake_close,
    .ws_wake = fake_wake,
    .ws_carry = fake_carry,
    .carried_bytes = fake_carried_bytes,
    .carried_writable = fake_carried_writable,
    .carried_end = fake_carried_end,
};

static inline void plugin_begin(void)
{
	host.table = fake_table;
	host.n_metrics = host.n_paths = 0;
	cr_assert_eq(nbs_plugin_entry.init(&host.table, &host.self), 0);
	cr_assert_eq(nbs_plugin_entry.start(host.self), 0);
}

static inline void plugin_end(void)
{
	cr_assert_eq(nbs_plugin_entry.stop(host.self, 0), 0);
	cr_assert_eq(host.leases, 0);
	nbs_plugin_entry.destroy(host.self);
}

/* --- the client's side --- */

static inline int ws_open(struct nbs_ws *ws, const char *path)
{
	int r = -ENOENT;

	if (ws->room == 0)
		ws->room = WRITTEN_MAX;
	ws->in_open = true;
	for (size_t i = 0; i < host.n_paths; i++)
		if (strcmp(host.paths[i]->path, path) == 0)
			r = host.paths[i]->open(host.path_arg[i], ws, &ws->ops, &ws->cookie);
	ws->in_open = false;
	return r;
}

/* What the daemon's loop does after ws_wake(). */
static inline void ws_turn(struct nbs_ws *ws)
{
	while (atomic_exchange(&ws->wakes, 0) > 0)
		ws->ops->woken(ws->cookie);
}

static inline void ws_send(struct nbs_ws *ws, const void *bytes, size_t len, unsigned flags)
{
	ws->ops->message(ws->cookie, bytes, len, flags);
	ws_turn(ws);
}

static inline void ws_end(struct nbs_ws *ws, unsigned code)
{
	ws->closed = true;
	ws->ops->closed(ws->cookie, ws->code != 0 ? ws->code : code);
}

#define WHOLE (NBS_WS_FIRST | NBS_WS_FINAL)

#endif
