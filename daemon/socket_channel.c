/* A plain socket under a stream, level-triggered. */
#include "channel.h"

#include "conn.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* A reset or a broken route while nothing is read or written. */
static void broke(struct nbs_conn *conn)
{
	int err = 0;
	socklen_t len = sizeof(err);

	getsockopt(conn->source.fd, SOL_SOCKET, SO_ERROR, &err, &len);
	stream_broke(conn, -(err != 0 ? err : ECONNRESET));
}

static void receive(struct nbs_conn *conn)
{
	unsigned char *buffer = io_read_buffer(conn->thread);
	ssize_t n = recv(conn->source.fd, buffer, IO_READ_BUFFER, MSG_DONTWAIT);

	if (n > 0)
		stream_bytes(conn, buffer, (size_t)n);
	else if (n == 0)
		stream_eof(conn);
	else if (errno != EAGAIN && errno != EINTR)
		stream_broke(conn, -errno);
}

static void socket_event(struct io_source *source, uint32_t events)
{
	struct nbs_conn *conn = (struct nbs_conn *)source;

	if (events & EPOLLOUT)
		stream_room(conn); /* what came in is reported again, level-triggered */
	else if ((events & EPOLLIN) && stream_wants_bytes(conn))
		receive(conn);
	else if (!(events & EPOLLIN)) /* else paused by a neighbour's callback in this very turn */
		broke(conn);
}

static int start(struct nbs_conn *conn)
{
	conn->source.event = socket_event;
	return io_watch(conn->thread, &conn->source, EPOLLIN);
}

static ssize_t send_some(struct nbs_conn *conn, const void *bytes, size_t len)
{
	size_t sent = 0;
	ssize_t n;

	while (sent < len) {
		n = send(conn->source.fd, (const char *)bytes + sent, len - sent,
		         MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			return -errno;
	}
	return (ssize_t)sent;
}

static void want(struct nbs_conn *conn, bool bytes, bool room)
{
	io_rewatch(conn->thread, &conn->source, (bytes ? EPOLLIN : 0u) | (room ? EPOLLOUT : 0u));
}

static int finish(struct nbs_conn *conn)
{
	return shutdown(conn->source.fd, SHUT_WR) == 0 ? 0 : -errno;
}

static void stop(struct nbs_conn *conn, bool abort)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	if (abort)
		setsockopt(conn->source.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	io_unwatch(conn->thread, &conn->source);
}

const struct channel socket_channel = {
    .start = start,
    .send = send_some,
    .want = want,
    .finish = finish,
    .stop = stop,
};
