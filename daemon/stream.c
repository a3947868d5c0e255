/*
 * A connection as a byte stream on its I/O thread.  Reading stops while the consumer pauses;
 * writing goes straight to the socket and, when that is full, into a bounded queue.  closed() is
 * always called from the loop, never from inside one of the consumer's own calls.
 */
#include "stream.h"

#include "clock.h"
#include "conn.h"
#include "log.h"
#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define QUEUE_FIRST 4096

static size_t queued(const struct nbs_conn *conn)
{
	return conn->queue_end - conn->queue_at;
}

static bool wants_bytes(const struct nbs_conn *conn)
{
	return !conn->saw_eof && !(conn->phase == CONN_STREAM && conn->paused);
}

static void update_interest(struct nbs_conn *conn)
{
	uint32_t events = 0;

	if (wants_bytes(conn))
		events |= EPOLLIN;
	if (queued(conn) > 0)
		events |= EPOLLOUT;
	io_rewatch(conn->thread, &conn->source, events);
}

/* Gives the record back, at once or, if a wake-up is still on its way to it, from there. */
static void release(struct nbs_conn *conn)
{
	if (atomic_load(&conn->waking))
		conn->released = true;
	else
		conn_release(conn);
}

/* The end, now. */
static void end(struct nbs_conn *conn, int err)
{
	io_unwatch(conn->thread, &conn->source);
	io_timer_cancel(conn->thread, &conn->timer);
	conn->phase = CONN_ENDED;
	if (conn->ops != NULL)
		conn->ops->closed(conn->cookie, err);
	release(conn);
}

static void end_task(struct io_task *task)
{
	struct nbs_conn *conn = CONN_OF(task, task);

	end(conn, conn->error);
}

/* The end, but not from inside a call of the consumer's. */
void stream_abort(struct nbs_conn *conn, int err)
{
	if (conn->phase == CONN_ENDED)
		return;
	conn->phase = CONN_ENDED;
	conn->error = err;
	io_timer_cancel(conn->thread, &conn->timer);
	io_unwatch(conn->thread, &conn->source);
	conn->task.run = end_task;
	io_post(conn->thread, &conn->task);
}

static int send_some(struct nbs_conn *conn, const unsigned char *bytes, size_t len, size_t *sent)
{
	ssize_t n;

	*sent = 0;
	while (*sent < len) {
		n = send(conn->source.fd, bytes + *sent, len - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			*sent += (size_t)n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int make_room(struct nbs_conn *conn, size_t more)
{
	size_t need = queued(conn) + more, size = conn->queue_size;
	unsigned char *queue;

	if (conn->queue_at > 0) {
		memmove(conn->queue, conn->queue + conn->queue_at, queued(conn));
		conn->queue_end -= conn->queue_at;
		conn->queue_at = 0;
	}
	if (need <= size)
		return 0;
	if (size == 0)
		size = QUEUE_FIRST;
	while (size < need)
		size *= 2;
	if ((queue = realloc(conn->queue, size)) == NULL)
		return -ENOMEM;
	conn->queue = queue;
	conn->queue_size = size;
	return 0;
}

/* Queues what fits; returns how much that is. */
static size_t enqueue(struct nbs_conn *conn, const unsigned char *bytes, size_t len)
{
	size_t room = STREAM_QUEUE_MAX - queued(conn);

	if (len > room)
		len = room;
	if (len == 0 || make_room(conn, len) < 0)
		return 0;
	memcpy(conn->queue + conn->queue_end, bytes, len);
	conn->queue_end += len;
	return len;
}

size_t stream_write(struct nbs_conn *conn, const void *bytes, size_t len)
{
	bool was_empty = queued(conn) == 0;
	size_t taken = 0;
	int r;

	if (conn->phase != CONN_STREAM)
		return len; /* ended: forgotten */
	if (was_empty && (r = send_some(conn, bytes, len, &taken)) < 0) {
		stream_abort(conn, r);
		return len;
	}
	if (taken < len)
		taken += enqueue(conn, (const unsigned char *)bytes + taken, len - taken);
	if (taken < len)
		conn->short_write = true; /* writable() is owed, whatever is written until then */
	if (was_empty && queued(conn) > 0)
		update_interest(conn);
	else if (taken < len && queued(conn) == 0)
		stream_abort(conn,
		             -ENOMEM); /* neither socket nor queue: nothing would call again */
	return taken;
}

static void drop_queue(struct nbs_conn *conn)
{
	free(conn->queue);
	conn->queue = NULL;
	conn->queue_at = conn->queue_end = conn->queue_size = 0;
}

/* Everything is sent: say so, and wait for the other side's end.  Closing now would make the
 * kernel reset the connection if unread bytes had come, and the client might lose our last. */
static void linger(struct nbs_conn *conn)
{
	conn->phase = CONN_LINGERING;
	if (conn->saw_eof || shutdown(conn->source.fd, SHUT_WR) < 0) {
		stream_abort(conn, 0);
		return;
	}
	update_interest(conn);
}

static void flush(struct nbs_conn *conn)
{
	size_t sent;
	int r = send_some(conn, conn->queue + conn->queue_at, queued(conn), &sent);

	if (r < 0) {
		end(conn, conn->phase == CONN_STREAM ? r : 0);
		return;
	}
	conn->queue_at += sent;
	if (queued(conn) > STREAM_QUEUE_MAX / 2)
		return;
	if (queued(conn) == 0) {
		drop_queue(conn);
		update_interest(conn);
		if (conn->phase == CONN_FLUSHING) {
			linger(conn);
			return;
		}
	}
	if (conn->short_write && conn->phase == CONN_STREAM) {
		conn->short_write = false;
		conn->ops->writable(conn->cookie);
	}
}

static void got_eof(struct nbs_conn *conn)
{
	conn->saw_eof = true;
	if (conn->phase == CONN_LINGERING) {
		end(conn, 0);
		return;
	}
	update_interest(conn);
	if (conn->phase == CONN_STREAM)
		conn->ops->eof(conn->cookie);
}

static void read_some(struct nbs_conn *conn)
{
	unsigned char *buffer = io_read_buffer(conn->thread);
	ssize_t n = recv(conn->source.fd, buffer, IO_READ_BUFFER, MSG_DONTWAIT);

	if (n > 0) {
		if (conn->phase == CONN_STREAM)
			conn->ops->readable(conn->cookie, buffer, (size_t)n);
		return; /* in the phases after that it is thrown away */
	}
	if (n == 0)
		got_eof(conn);
	else if (errno != EAGAIN && errno != EINTR)
		end(conn, conn->phase == CONN_STREAM ? -errno : 0);
}

/* A reset or a broken route while nothing is read or written. */
static void broke(struct nbs_conn *conn)
{
	int err = 0;
	socklen_t len = sizeof(err);

	getsockopt(conn->source.fd, SOL_SOCKET, SO_ERROR, &err, &len);
	end(conn, conn->phase == CONN_STREAM ? -(err != 0 ? err : ECONNRESET) : 0);
}

static void stream_event(struct io_source *source, uint32_t events)
{
	struct nbs_conn *conn = (struct nbs_conn *)source;

	if (conn->phase == CONN_ENDED)
		return;
	if (events & EPOLLOUT) {
		flush(conn);
		return; /* conn may be gone; what came in is reported again, level-triggered */
	}
	if ((events & EPOLLIN) && !wants_bytes(conn))
		return; /* paused by a neighbour's callback in this very turn */
	if (events & EPOLLIN)
		read_some(conn);
	else if (events & (EPOLLERR | EPOLLHUP))
		broke(conn);
}

static void linger_over(struct io_timer *timer)
{
	struct nbs_conn *conn = CONN_OF(timer, timer);

	end(conn, 0);
}

void stream_close(struct nbs_conn *conn, int how)
{
	const struct linger abort_now = {.l_onoff = 1, .l_linger = 0};

	if (conn->phase == CONN_ENDED || (conn->phase != CONN_STREAM && how == NBS_CLOSE_FLUSH))
		return;
	if (how == NBS_CLOSE_ABORT) {
		setsockopt(conn->source.fd, SOL_SOCKET, SO_LINGER, &abort_now, sizeof(abort_now));
		stream_abort(conn, 0);
		return;
	}
	conn->phase = CONN_FLUSHING;
	conn->timer.expired = linger_over;
	io_timer_arm(conn->thread, &conn->timer, clock_ms() + STREAM_LINGER_MS);
	if (queued(conn) == 0)
		linger(conn);
	else
		update_interest(conn);
}

void stream_pause(struct nbs_conn *conn)
{
	if (conn->phase != CONN_STREAM || conn->paused)
		return;
	conn->paused = true;
	update_interest(conn);
}

void stream_resume(struct nbs_conn *conn)
{
	if (conn->phase != CONN_STREAM || !conn->paused)
		return;
	conn->paused = false;
	update_interest(conn);
}

static void woken(struct io_task *task)
{
	struct nbs_conn *conn = CONN_OF(task, wake_task);

	atomic_store(&conn->waking, false);
	if (conn->released)
		conn_release(conn);
	else if (conn->phase == CONN_STREAM)
		conn->ops->woken(conn->cookie);
}

void stream_wake(struct nbs_conn *conn)
{
	if (!atomic_exchange(&conn->waking, true))
		io_post(conn->thread, &conn->wake_task);
}

void stream_begin(struct nbs_conn *conn, struct service *service)
{
	int r;

	conn_drop_watch(conn);
	conn->phase = CONN_STREAM;
	conn->source.event = stream_event;
	conn->wake_task.run = woken;
	if ((r = io_watch(conn->thread, &conn->source, EPOLLIN)) < 0 ||
	    (r = service_open(service, io_thread_index(conn->thread), conn, &conn->ops,
	                      &conn->cookie)) < 0) {
		log_debug("listener", "plugin %s does not take a connection: %s",
		          service_plugin(service), strerror(-r));
		conn_count_refused(conn, CONN_REFUSED_ERROR);
		conn->ops = NULL; /* no callback */
		stream_abort(conn, r);
	}
}
