/* Records of connections: made, counted, ended. */
#include "conn.h"

#include "clock.h"
#include "conn_limits.h"
#include "log.h"
#include "metrics.h"
#include "service.h"
#include "sniffer.h"
#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct conns {
	struct io *io;
	struct conn_limits *limits;
	struct services *services;
	_Atomic uint64_t handshake_timeout_ms;
	_Atomic uint64_t last_id;
	struct nbs_conn *first[IO_THREADS_MAX]; /* by thread, touched there only */
	struct nbs_metric *open, *accepted, *refused[CONN_REFUSALS];
};

static const char *const refusal_words[CONN_REFUSALS] = {
    [CONN_REFUSED_LIMIT] = "too many connections from this address",
    [CONN_REFUSED_SILENT] = "did not say in time what it wants",
    [CONN_REFUSED_LEFT] = "left before it said what it wants",
    [CONN_REFUSED_UNKNOWN] = "speaks no known protocol",
    [CONN_REFUSED_UNSERVED] = "speaks a protocol that this listener does not serve",
    [CONN_REFUSED_ERROR] = "could not be served",
};

static int register_metrics(struct conns *c, struct metrics *metrics)
{
	static const char help[] = "Connections closed before a plugin had them, by reason.";
	static const char name[] = "connections_refused_total";
	const struct metrics_series table[] = {
	    {&c->open, NBS_GAUGE, "connections_open", NULL, "Connections that are open now.", NULL,
	     0},
	    {&c->accepted, NBS_COUNTER, "connections_accepted_total", NULL,
	     "Connections that were accepted.", NULL, 0},
	    {&c->refused[CONN_REFUSED_LIMIT], NBS_COUNTER, name, "reason=\"address_limit\"", help,
	     NULL, 0},
	    {&c->refused[CONN_REFUSED_SILENT], NBS_COUNTER, name, "reason=\"handshake_timeout\"",
	     help, NULL, 0},
	    {&c->refused[CONN_REFUSED_LEFT], NBS_COUNTER, name, "reason=\"left\"", help, NULL, 0},
	    {&c->refused[CONN_REFUSED_UNKNOWN], NBS_COUNTER, name, "reason=\"unknown_protocol\"",
	     help, NULL, 0},
	    {&c->refused[CONN_REFUSED_UNSERVED], NBS_COUNTER, name, "reason=\"unserved_protocol\"",
	     help, NULL, 0},
	    {&c->refused[CONN_REFUSED_ERROR], NBS_COUNTER, name, "reason=\"error\"", help, NULL, 0},
	    {0},
	};

	return metrics_register_table(metrics, table);
}

int conns_open(struct conns **out, struct io *io, struct conn_limits *limits,
               struct services *services, struct metrics *metrics)
{
	struct conns *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return -ENOMEM;
	c->io = io;
	c->limits = limits;
	c->services = services;
	if ((r = register_metrics(c, metrics)) < 0) {
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

uint64_t conn_handshake_timeout(const struct nbs_conn *conn)
{
	return conn->conns->handshake_timeout_ms;
}

static void begin(struct io_task *task)
{
	struct nbs_conn *conn = CONN_OF(task, task);
	struct nbs_conn **first = &conn->conns->first[io_thread_index(conn->thread)];

	conn->next = *first;
	if (*first != NULL)
		(*first)->prev = conn;
	*first = conn;
	sniffer_begin(conn);
}

/* Not even a record; the descriptors are the caller's. */
static void turn_away(struct conns *c, const struct conn_origin *origin,
                      const union conn_address *remote, enum conn_refusal why)
{
	static struct log_limit limit;
	char text[NBS_ADDR_MAX];

	conn_limits_leave(c->limits);
	metrics_count(c->refused[why]);
	conn_address_text(text, &remote->sa);
	log_limited(&limit, NBS_WARN, "listener", "connection closed: %s listener=%s remote=%s",
	            refusal_words[why], origin->listener, text);
}

static struct nbs_conn *record(struct conns *c, const struct conn_origin *origin,
                               const union conn_address *remote)
{
	struct nbs_conn *conn;
	int r;

	if ((r = conn_limits_address_enter(c->limits, &remote->sa)) < 0) {
		turn_away(c, origin, remote,
		          r == -EUSERS ? CONN_REFUSED_LIMIT : CONN_REFUSED_ERROR);
		return NULL;
	}
	if ((conn = calloc(1, sizeof(*conn))) == NULL) {
		conn_limits_address_leave(c->limits, &remote->sa);
		turn_away(c, origin, remote, CONN_REFUSED_ERROR);
	}
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
	conn->thread = io_next_thread(c->io);
	conn->origin = origin;
	conn->remote = *remote;
	conn->id = atomic_fetch_add(&c->last_id, 1) + 1;
	conn->task.run = begin;
	metrics_record(c->open, 1);
	io_post(conn->thread, &conn->task);
}

void conn_drop_watch(struct nbs_conn *conn)
{
	if (conn->watch_fd >= 0)
		close(conn->watch_fd);
	conn->watch_fd = -1;
}

void conn_release(struct nbs_conn *conn)
{
	struct conns *c = conn->conns;

	io_timer_cancel(conn->thread, &conn->timer);
	if (conn->prev != NULL)
		conn->prev->next = conn->next;
	else
		c->first[io_thread_index(conn->thread)] = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
	/* Not left to close(): another descriptor may keep the socket open, and epoll with it. */
	io_unwatch(conn->thread, &conn->source);
	close(conn->source.fd);
	conn_drop_watch(conn);
	conn_limits_address_leave(c->limits, &conn->remote.sa);
	metrics_record(c->open, -1);
	free(conn->queue);
	free(conn);
	conn_limits_leave(c->limits);
}

void conn_count_refused(struct nbs_conn *conn, enum conn_refusal why)
{
	char text[NBS_ADDR_MAX];

	metrics_count(conn->conns->refused[why]);
	if (!log_enabled(NBS_DEBUG))
		return;
	conn_address_text(text, &conn->remote.sa);
	log_debug("listener", "connection closed: %s listener=%s remote=%s", refusal_words[why],
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
	services_leave_thread(c->services, thread);
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
	struct nbs_conn_about full = {.size = about->size, .id = conn->id};

	getsockname(conn->source.fd, &local.sa, &len);
	conn_address_text(full.remote, &conn->remote.sa);
	conn_address_text(full.local, &local.sa);
	snprintf(full.listener, sizeof(full.listener), "%s", conn->origin->listener);
	full.admin = conn->origin->admin;
	memcpy(about, &full, about->size < sizeof(full) ? about->size : sizeof(full));
}
