/*
 * A connection as a byte stream on its I/O thread.  Reading stops while the consumer pauses;
 * writing goes straight to the channel and, when that is full, into a bounded queue.  closed() is
 * always called from the loop, never from inside one of the consumer's own calls.
 */
#include "stream.h"

#include "channel.h"
#include "clock.h"
#include "conn.h"
#include "log.h"
#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_FIRST 4096

static size_t queued(const struct nbs_conn *conn)
{
	return conn->queue_end - conn->queue_at;
}

bool stream_wants_bytes(const struct nbs_conn *conn)
{
	return conn->phase != CONN_ENDED && !conn->saw_eof &&
	       !(conn->phase == CONN_STREAM && conn->paused);
}

static void update_interest(struct nbs_conn *conn)
{
	conn->channel->want(conn, stream_wants_bytes(conn), queued(conn) > 0);
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
	io_timer_cancel(conn->thread, &conn->timer);
	conn->phase = CONN_ENDED;
	conn->channel->stop(conn, conn->reset);
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
	conn->task.run = end_task;
	io_post(conn->thread, &conn->task);
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
	ssize_t sent = 0;
	size_t taken;

	if (conn->phase != CONN_STREAM)
		return len; /* ended: forgotten */
	if (was_empty && (sent = conn->channel->send(conn, bytes, len)) < 0) {
		stream_abort(conn, (int)sent);
		return len;
	}
	taken = (size_t)sent;
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
	if (conn->channel->finish(conn) < 0 || conn->saw_eof) {
		stream_abort(conn, 0);
		return;
	}
	update_interest(conn);
}

void stream_room(struct nbs_conn *conn)
{
	ssize_t sent;

	if (conn->phase == CONN_ENDED)
		return;
	sent = conn->channel->send(conn, conn->queue + conn->queue_at, queued(conn));
	if (sent < 0) {
		end(conn, conn->phase == CONN_STREAM ? (int)sent : 0);
		return;
	}
	conn->queue_at += (size_t)sent;
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

void stream_eof(struct nbs_conn *conn)
{
	if (conn->phase == CONN_ENDED)
		return;
	conn->saw_eof = true;
	if (conn->phase == CONN_LINGERING) {
		end(conn, 0);
		return;
	}
	update_interest(conn);
	if (conn->phase == CONN_STREAM)
		conn->ops->eof(conn->cookie);
}

void stream_bytes(struct nbs_conn *conn, const void *bytes, size_t len)
{
	if (conn->phase == CONN_STREAM)
		conn->ops->readable(conn->cookie, bytes, len);
	/* in the phases after that they are thrown away */
}

void stream_broke(struct nbs_conn *conn, int err)
{
	if (conn->phase != CONN_ENDED)
		end(conn, conn->phase == CONN_STREAM ? err : 0);
}

static void linger_over(struct io_timer *timer)
{
	struct nbs_conn *conn = CONN_OF(timer, timer);

	end(conn, 0);
}

void stream_close(struct nbs_conn *conn, int how)
{
	if (conn->phase == CONN_ENDED || (conn->phase != CONN_STREAM && how == NBS_CLOSE_FLUSH))
		return;
	if (how == NBS_CLOSE_ABORT) {
		conn->reset = true;
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

size_t stream_space(const struct nbs_conn *conn)
{
	return STREAM_QUEUE_MAX - queued(conn);
}

bool stream_await_space(struct nbs_conn *conn)
{
	if (conn->phase != CONN_STREAM || queued(conn) <= STREAM_QUEUE_MAX / 2)
		return false;
	conn->short_write = true;
	return true;
}

void stream_refuse(struct nbs_conn *conn, const char *who, int err)
{
	log_debug("listener", "%s does not take a connection: %s", who, strerror(-err));
	conn_count_refused(conn, CONN_REFUSED_ERROR);
	conn->ops = NULL;
	stream_abort(conn, err);
}

int stream_start(struct nbs_conn *conn, const struct channel *channel,
                 const struct nbs_conn_ops *ops, void *cookie)
{
	conn_drop_watch(conn);
	conn->phase = CONN_STREAM;
	conn->channel = channel;
	conn->wake_task.run = woken;
	conn->ops = ops;
	conn->cookie = cookie;
	return channel->start(conn);
}

void stream_begin(struct nbs_conn *conn, const struct channel *channel, struct service *service)
{
	int r;

	if ((r = stream_start(conn, channel, NULL, NULL)) < 0 ||
	    (r = service_open(service, io_thread_index(conn->thread), conn, &conn->ops,
	                      &conn->cookie)) < 0)
		stream_refuse(conn, service_plugin(service), r);
}
