/*
 * A stream's consumer that has the bytes in a socket pair.  Towards the socket a piece that it
 * does not take is held, and the stream paused meanwhile; towards the stream the socket is read
 * only while the stream's queue has space.
 */
#include "pump.h"

#include "channel.h"
#include "clock.h"
#include "conn.h"
#include "conn_limits.h"
#include "descriptors.h"
#include "http.h"
#include "log.h"
#include "service.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the kernel may hold in each direction; its default would be a quarter of a megabyte. */
#define SOCKET_BUFFER (64 * 1024)

struct pump {
	struct io_source source; /* first: our end of the pair */
	struct io_task task;     /* freeing it, when no event can be on its way any more */
	struct nbs_conn *conn;
	unsigned char *held; /* for the socket; NULL: nothing, and the stream is not paused */
	size_t held_at, held_len;
	bool client_eof;  /* shutdown() is due behind what is held */
	bool socket_eof;  /* the stream is being closed */
	bool stream_full; /* writable() will come; the socket is not read until then */
	bool watched, ended;
};

/* While the stream is full only the other end's end is awaited, edge-triggered, since a hang-up
 * would be reported for ever. */
static void update_interest(struct pump *p)
{
	uint32_t events = 0;
	int r = 0;

	if (!p->socket_eof)
		events |= p->stream_full ? EPOLLRDHUP | EPOLLET : EPOLLIN;
	if (p->held != NULL)
		events |= EPOLLOUT;
	if (p->watched && events == 0)
		io_unwatch(p->conn->thread, &p->source);
	else if (p->watched)
		io_rewatch(p->conn->thread, &p->source, events);
	else if (events != 0)
		r = io_watch(p->conn->thread, &p->source, events);
	p->watched = events != 0 && r == 0;
	if (r < 0)
		stream_abort(p->conn, r);
}

/* How much the socket took.  What it fails with is seen, and dealt with, when it is read. */
static size_t to_socket(struct pump *p, const unsigned char *bytes, size_t len)
{
	ssize_t n;

	do
		n = send(p->source.fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return len; /* nobody reads any more */
	return n > 0 ? (size_t)n : 0;
}

static void pass_eof(struct pump *p)
{
	if (p->client_eof && p->held == NULL)
		shutdown(p->source.fd, SHUT_WR);
}

static void pump_readable(void *cookie, const void *bytes, size_t len)
{
	struct pump *p = cookie;
	size_t taken = p->held == NULL ? to_socket(p, bytes, len) : 0, rest = len - taken;
	unsigned char *held;

	if (rest == 0)
		return;
	/* Once paused a stream brings no more; one piece that was on its way is appended. */
	if ((held = realloc(p->held, p->held_len + rest)) == NULL) {
		stream_abort(p->conn, -ENOMEM);
		return;
	}
	memcpy(held + p->held_len, (const unsigned char *)bytes + taken, rest);
	p->held = held;
	p->held_len += rest;
	stream_pause(p->conn);
	update_interest(p);
}

static void pump_eof(void *cookie)
{
	struct pump *p = cookie;

	p->client_eof = true;
	pass_eof(p);
}

static void pump_writable(void *cookie)
{
	struct pump *p = cookie;

	p->stream_full = false;
	io_timer_cancel(p->conn->thread, &p->conn->timer);
	update_interest(p);
}

static void pump_woken(void *cookie)
{
	(void)cookie;
}

static void close_pair_end(struct pump *p)
{
	close(p->source.fd);
	conn_limits_give_descriptors(conn_parts(p->conn)->limits, DESCRIPTORS_PER_PAIR);
}

static void free_task(struct io_task *task)
{
	struct pump *p = IO_OF(task, struct pump, task);

	free(p->held);
	free(p);
}

static void pump_closed(void *cookie, int err)
{
	struct pump *p = cookie;

	(void)err;
	p->ended = true;
	if (p->watched)
		io_unwatch(p->conn->thread, &p->source);
	close_pair_end(p);
	p->task.run = free_task;
	io_post(p->conn->thread, &p->task);
}

static const struct nbs_conn_ops pump_ops = {
    .size = sizeof(pump_ops),
    .readable = pump_readable,
    .eof = pump_eof,
    .writable = pump_writable,
    .woken = pump_woken,
    .closed = pump_closed,
};

static void flush_held(struct pump *p)
{
	p->held_at += to_socket(p, p->held + p->held_at, p->held_len - p->held_at);
	if (p->held_at < p->held_len)
		return;
	free(p->held);
	p->held = NULL;
	p->held_at = p->held_len = 0;
	pass_eof(p);
	stream_resume(p->conn);
	update_interest(p);
}

/* The other end was closed: what came from it goes out, then the stream ends. */
static void socket_ended(struct pump *p)
{
	p->socket_eof = true;
	update_interest(p);
	stream_close(p->conn, NBS_CLOSE_FLUSH);
}

static void from_socket(struct pump *p)
{
	unsigned char *buffer = io_read_buffer(p->conn->thread);
	size_t space = stream_space(p->conn);
	ssize_t n = recv(p->source.fd, buffer, space < IO_READ_BUFFER ? space : IO_READ_BUFFER,
	                 MSG_DONTWAIT);

	if (n > 0) {
		stream_write(p->conn, buffer, (size_t)n);
		if (stream_await_space(p->conn)) {
			p->stream_full = true;
			update_interest(p);
		}
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		socket_ended(p);
	}
}

static void client_stuck(struct io_timer *timer)
{
	stream_close(CONN_OF(timer, timer), NBS_CLOSE_ABORT);
}

/* What is left in the socket can only be read when the client reads: for so long it may.  The
 * stream needs the connection's timer only when it is closed, and cancels it at its end. */
static void other_gone(struct pump *p)
{
	p->conn->timer.expired = client_stuck;
	io_timer_arm(p->conn->thread, &p->conn->timer, clock_ms() + STREAM_LINGER_MS);
}

static void socket_event(struct io_source *source, uint32_t events)
{
	struct pump *p = (struct pump *)source;

	if (p->ended || !p->watched)
		return; /* by what happened to the stream in this very turn */
	if (p->held != NULL && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		flush_held(p);
	else if (!p->stream_full)
		from_socket(p);
	else if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) && !p->conn->timer.armed)
		other_gone(p);
}

static int make_pair(struct pump *p, int *other)
{
	struct conn_limits *limits = conn_parts(p->conn)->limits;
	const bool admin = p->conn->origin->class == NBS_ADMIN;
	const int size = SOCKET_BUFFER;
	static struct log_limit limit;
	int fds[2], r;

	if (!conn_limits_take_descriptors(limits, DESCRIPTORS_PER_PAIR, admin)) {
		log_limited(&limit, NBS_WARN, "listener",
		            "connection closed: too few file descriptors for TLS or a tunnel");
		return -EMFILE;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) {
		r = -errno;
		conn_limits_give_descriptors(limits, DESCRIPTORS_PER_PAIR);
		return r;
	}
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	p->source = (struct io_source){.fd = fds[0], .event = socket_event};
	*other = fds[1];
	return 0;
}

static int pump_new(struct nbs_conn *conn, struct pump **out, int *other)
{
	struct pump *p = calloc(1, sizeof(*p));
	int r = -ENOMEM;

	if (p == NULL)
		goto err0;
	p->conn = conn;
	p->watched = true;
	if ((r = make_pair(p, other)) < 0)
		goto err1;
	if ((r = io_watch(conn->thread, &p->source, EPOLLIN)) < 0)
		goto err2;
	*out = p;
	return 0;
err2:
	close_pair_end(p);
	close(*other);
err1:
	free(p);
err0:
	return r;
}

/* The stream runs; returns the other end, or -1 when the connection was refused. */
static int begin(struct nbs_conn *conn, const struct channel *channel)
{
	struct pump *p = NULL;
	int other = -1, r;

	if ((r = pump_new(conn, &p, &other)) < 0) {
		stream_start(conn, channel, NULL, NULL);
		stream_refuse(conn, "the daemon", r);
		return -1;
	}
	if ((r = stream_start(conn, channel, &pump_ops, p)) < 0) {
		conn_count_refused(conn, CONN_REFUSED_ERROR);
		stream_abort(conn, r);
	}
	return other;
}

void pump_begin(struct nbs_conn *conn, const struct channel *channel, struct service *service)
{
	int other = begin(conn, channel), r;

	if (other < 0)
		return;
	if ((r = service_adopt(service, other, conn)) < 0) {
		service_log_refusal(service, r);
		conn_count_refused(conn, CONN_REFUSED_ERROR);
		close(other); /* which ends the stream */
	}
}

static void serve(struct nbs_conn *inside)
{
	http_begin(conn_parts(inside)->http, inside);
}

void pump_begin_http(struct nbs_conn *conn, const struct channel *channel)
{
	int other = begin(conn, channel);
	struct nbs_conn *inside;

	if (other < 0)
		return;
	if ((inside = conn_inside(conn)) == NULL) {
		conn_count_refused(conn, CONN_REFUSED_ERROR);
		close(other);
		return;
	}
	conn_protocol_hand_on(conn, inside);
	inside->source.fd = other;
	conn_move(inside, io_guest(conn_parts(conn)->io), serve);
}
