/* Records of connections: made, counted, ended. */
#include "conn.h"

#include "clock.h"
#include "conn_limits.h"
#include "log.h"
#include "metrics.h"
#include "proxy.h"
#include "service.h"
#include "sniffer.h"
#include "stream.h"
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct conns {
	struct conns_parts parts;
	_Atomic uint64_t handshake_timeout_ms;
	_Atomic uint64_t last_id;
	struct nbs_conn *first[IO_INDEX_MAX]; /* by thread, touched there only */
	struct nbs_metric *open, *accepted, *refused[CONN_REFUSALS];
	struct conn_protocols protocols;
};

static const struct {
	const char *labels, *words;
} refusals[CONN_REFUSALS] = {
    [CONN_REFUSED_LIMIT] = {"reason=\"address_limit\"", "too many connections from this address"},
    [CONN_REFUSED_SILENT] = {"reason=\"handshake_timeout\"", "did not say in time what it wants"},
    [CONN_REFUSED_LEFT] = {"reason=\"left\"", "left before it said what it wants"},
    [CONN_REFUSED_UNKNOWN] = {"reason=\"unknown_protocol\"", "speaks no known protocol"},
    [CONN_REFUSED_UNSERVED] = {"reason=\"unserved_protocol\"",
                               "speaks a protocol that this listener does not serve"},
    [CONN_REFUSED_PLAINTEXT] = {"reason=\"plaintext\"", "speaks plaintext where TLS is required"},
    [CONN_REFUSED_PROXY] = {"reason=\"proxy_header\"", "sent no valid PROXY header"},
    [CONN_REFUSED_UNTRUSTED] = {"reason=\"untrusted_proxy\"", "is no trusted proxy"},
    [CONN_REFUSED_TLS] = {"reason=\"tls_handshake\"", "failed in the TLS handshake"},
    [CONN_REFUSED_HANDSHAKES] = {"reason=\"handshake_limit\"",
                                 "stalled in the TLS handshake while others waited"},
    [CONN_REFUSED_ERROR] = {"reason=\"error\"", "could not be served"},
};

static int register_metrics(struct conns *c, struct metrics *metrics)
{
	struct metrics_series table[CONN_REFUSALS + 3] = {
	    {&c->open, NBS_GAUGE, "connections_open", NULL, "Connections that are open now.", NULL,
	     0},
	    {&c->accepted, NBS_COUNTER, "connections_accepted_total", NULL,
	     "Connections that were accepted.", NULL, 0},
	};

	for (int i = 0; i < CONN_REFUSALS; i++)
		table[2 + i] = (struct metrics_series){
		    &c->refused[i],
		    NBS_COUNTER,
		    "connections_refused_total",
		    refusals[i].labels,
		    "Connections closed before a plugin had them, by reason.",
		    NULL,
		    0};
	return metrics_register_table(metrics, table);
}

int conns_open(struct conns **out, const struct conns_parts *parts, struct metrics *metrics)
{
	struct conns *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return -ENOMEM;
	c->parts = *parts;
	if ((r = register_metrics(c, metrics)) < 0 ||
	    (r = conn_protocol_register(&c->protocols, metrics)) < 0) {
		free(c);
		return r;
	}
	*out = c;
	return 0;
}

void conns_close(struct conns *c)
{
	free(c);
}

void conns_configure(struct conns *c, uint64_t handshake_timeout_ms)
{
	c->handshake_timeout_ms = handshake_timeout_ms;
}

const struct conns_parts *conn_parts(const struct nbs_conn *conn)
{
	return &conn->conns->parts;
}

const struct conn_protocols *conn_protocols(const struct nbs_conn *conn)
{
	return &conn->conns->protocols;
}

uint64_t conn_handshake_timeout(const struct nbs_conn *conn)
{
	return conn->conns->handshake_timeout_ms;
}

/* Into its thread's list. */
static void enlist(struct nbs_conn *conn)
{
	struct nbs_conn **first = &conn->conns->first[io_thread_index(conn->thread)];

	conn->prev = NULL;
	conn->next = *first;
	if (*first != NULL)
		(*first)->prev = conn;
	*first = conn;
}

static void delist(struct nbs_conn *conn)
{
	if (conn->prev != NULL)
		conn->prev->next = conn->next;
	else
		conn->conns->first[io_thread_index(conn->thread)] = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
}

static void arrive(struct io_task *task)
{
	struct nbs_conn *conn = CONN_OF(task, task);

	enlist(conn);
	conn->arrived(conn);
}

static void timed_out(struct io_timer *timer)
{
	conn_refuse(CONN_OF(timer, timer), CONN_REFUSED_SILENT);
}

static void begin(struct nbs_conn *conn)
{
	conn->phase = CONN_OPENING;
	conn->timer.expired = timed_out;
	io_timer_arm(conn->thread, &conn->timer, clock_ms() + conn_handshake_timeout(conn));
	if (conn->origin->proxy_protocol)
		proxy_begin(conn, sniffer_begin);
	else
		sniffer_begin(conn);
}

void conn_move(struct nbs_conn *conn, struct io_thread *to, void (*run)(struct nbs_conn *conn))
{
	io_timer_cancel(conn->thread, &conn->timer);
	delist(conn);
	conn->thread = to;
	conn->arrived = run;
	conn->task.run = arrive;
	io_post(to, &conn->task);
}

/* Not even a record; the descriptors are the caller's. */
static void turn_away(struct conns *c, const struct conn_origin *origin,
                      const union conn_address *remote, enum conn_refusal why)
{
	static struct log_limit limit;
	char text[NBS_ADDR_MAX];

	conn_limits_leave(c->parts.limits);
	metrics_count(c->refused[why]);
	conn_address_text(text, &remote->sa);
	log_limited(&limit, NBS_WARN, "listener", "connection closed: %s listener=%s remote=%s",
	            refusals[why].words, origin->listener, text);
}

static struct nbs_conn *record(struct conns *c, const struct conn_origin *origin,
                               const union conn_address *remote)
{
	const bool count_address = !origin->proxy_protocol; /* else when the client is known */
	struct nbs_conn *conn;
	int r;

	if (count_address && (r = conn_limits_address_enter(c->parts.limits, &remote->sa)) < 0) {
		turn_away(c, origin, remote,
		          r == -EUSERS ? CONN_REFUSED_LIMIT : CONN_REFUSED_ERROR);
		return NULL;
	}
	if ((conn = calloc(1, sizeof(*conn))) == NULL) {
		if (count_address)
			conn_limits_address_leave(c->parts.limits, &remote->sa);
		turn_away(c, origin, remote, CONN_REFUSED_ERROR);
		return NULL;
	}
	conn->counted_address = count_address;
	return conn;
}

void conn_accepted(struct conns *c, const struct conn_origin *origin, int fd, int watch_fd,
                   const union conn_address *remote)
{
	struct nbs_conn *conn;

	metrics_count(c->accepted);
	if ((conn = record(c, origin, remote)) == NULL) {
		close(fd);
		close(watch_fd);
		return;
	}
	conn->source.fd = fd;
	conn->watch_fd = watch_fd;
	conn->conns = c;
	conn->thread = io_next_thread(c->parts.io, IO_NETWORK);
	conn->origin = origin;
	conn->remote = *remote;
	conn->id = atomic_fetch_add(&c->last_id, 1) + 1;
	conn->arrived = begin;
	conn->task.run = arrive;
	metrics_record(c->open, 1);
	conn_protocol_begin(conn);
	io_post(conn->thread, &conn->task);
}

struct nbs_conn *conn_inside(struct nbs_conn *outer)
{
	struct nbs_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL || (conn->inside = calloc(1, sizeof(*conn->inside))) == NULL) {
		free(conn);
		return NULL;
	}
	conn->inside->size = sizeof(*conn->inside);
	conn_about(outer, conn->inside);
	conn->source.fd = -1;
	conn->watch_fd = -1;
	conn->conns = outer->conns;
	conn->thread = outer->thread;
	conn->origin = outer->origin;
	conn->remote = outer->remote;
	conn->id = outer->id;
	enlist(conn);
	return conn;
}

int conn_set_client(struct nbs_conn *conn, const struct sockaddr *client)
{
	struct conn_limits *limits = conn->conns->parts.limits;
	size_t len =
	    client->sa_family == AF_INET ? sizeof(conn->remote.v4) : sizeof(conn->remote.v6);
	int r;

	if ((r = conn_limits_address_enter(limits, client)) < 0)
		return r;
	if (conn->counted_address)
		conn_limits_address_leave(limits, &conn->remote.sa);
	conn->counted_address = true;
	memmove(&conn->remote, client, len);
	return 0;
}

void conn_drop_watch(struct nbs_conn *conn)
{
	if (conn->watch_fd >= 0)
		close(conn->watch_fd);
	conn->watch_fd = -1;
}

/* What a record that stands for an accepted connection has taken. */
static void leave_limits(struct nbs_conn *conn)
{
	struct conns *c = conn->conns;

	if (conn->counted_address)
		conn_limits_address_leave(c->parts.limits, &conn->remote.sa);
	metrics_record(c->open, -1);
	conn_limits_leave(c->parts.limits);
}

void conn_release(struct nbs_conn *conn)
{
	io_timer_cancel(conn->thread, &conn->timer);
	delist(conn);
	/* Not left to close(): another descriptor may keep the socket open, and epoll with it. */
	if (conn->source.fd >= 0) {
		io_unwatch(conn->thread, &conn->source);
		close(conn->source.fd);
	}
	conn_drop_watch(conn);
	tls_release(conn);
	conn_protocol_end(conn);
	if (conn->inside == NULL)
		leave_limits(conn);
	free(conn->inside);
	free(conn->proxy);
	free(conn->queue);
	free(conn);
}

/* Whether an operator should hear of it, at a bounded rate.  Of the others whoever refuses says
 * more itself, or they are everyday: ports are looked at and left. */
static bool is_news(enum conn_refusal why)
{
	return why == CONN_REFUSED_SILENT || why == CONN_REFUSED_UNKNOWN ||
	       why == CONN_REFUSED_ERROR;
}

void conn_count_refused(struct nbs_conn *conn, enum conn_refusal why)
{
	static struct log_limit limits[CONN_REFUSALS];
	char text[NBS_ADDR_MAX];

	metrics_count(conn->conns->refused[why]);
	if (!is_news(why) && !log_enabled(NBS_DEBUG))
		return;
	conn_address_text(text, &conn->remote.sa);
	if (log_enabled(NBS_DEBUG))
		log_debug("listener", "connection closed: %s listener=%s remote=%s",
		          refusals[why].words, conn->origin->listener, text);
	else
		log_limited(&limits[why], NBS_INFO, "listener",
		            "connection closed: %s listener=%s remote=%s", refusals[why].words,
		            conn->origin->listener, text);
}

void conn_refuse(struct nbs_conn *conn, enum conn_refusal why)
{
	conn_count_refused(conn, why);
	conn_release(conn);
}

void conns_leave_thread(void *conns, struct io_thread *t)
{
	struct conns *c = conns;
	unsigned thread = io_thread_index(t);
	struct nbs_conn *conn, *next;

	io_run_tasks(t); /* connections that are still on their way to this thread */
	while ((conn = c->first[thread]) != NULL) {
		for (; conn != NULL; conn = next) {
			next = conn->next;
			if (conn->phase < CONN_STREAM)
				conn_release(conn);
			else
				stream_abort(conn, -ESHUTDOWN);
		}
		io_run_tasks(t);
	}
	services_leave_thread(c->parts.services, thread);
}

void conn_address_text(char text[static NBS_ADDR_MAX], const struct sockaddr *sa)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	char host[INET6_ADDRSTRLEN];

	if (sa->sa_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(text, NBS_ADDR_MAX, "%s:%u", host, ntohs(v4->sin_port));
	} else if (sa->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, host, sizeof(host));
		snprintf(text, NBS_ADDR_MAX, "%s:%u", host, ntohs(v6->sin6_port));
	} else if (sa->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(text, NBS_ADDR_MAX, "[%s]:%u", host, ntohs(v6->sin6_port));
	} else {
		snprintf(text, NBS_ADDR_MAX, "unknown");
	}
}

void conn_about(struct nbs_conn *conn, struct nbs_conn_about *about)
{
	union conn_address local = {0};
	socklen_t len = sizeof(local);
	struct nbs_conn_about full = {.id = conn->id};

	if (conn->inside != NULL) {
		full = *conn->inside;
	} else {
		getsockname(conn->source.fd, &local.sa, &len);
		conn_address_text(full.remote, &conn->remote.sa);
		conn_address_text(full.local, &local.sa);
		snprintf(full.listener, sizeof(full.listener), "%s", conn->origin->listener);
		full.admin = conn->origin->class == NBS_ADMIN;
		if (conn->proxy != NULL)
			conn_address_text(full.proxy, &conn->proxy->sa);
		tls_about(conn, &full);
	}
	full.size = about->size;
	memcpy(about, &full, about->size < sizeof(full) ? about->size : sizeof(full));
}
