/*
 * What the client sends meanwhile is read and thrown away: closing a socket with unread bytes makes
 * the kernel reset the connection, and the client might lose the end of our handshake.  It all
 * happens on the handshake's thread, where the connection costs nothing until its next event.
 */
#include "tls_farewell.h"

#include "clock.h"
#include "conn.h"
#include "log.h"
#include "tls_session.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* How long we listen for it. */
#define PATIENCE_MS 5000

static void drain(struct io_source *source, uint32_t events)
{
	struct nbs_conn *conn = (struct nbs_conn *)source;
	ssize_t n;

	(void)events;
	do
		n = recv(source->fd, io_read_buffer(conn->thread), IO_READ_BUFFER, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		conn_release(conn);
}

static void over(struct io_timer *timer)
{
	conn_release(CONN_OF(timer, timer));
}

static void finish(struct nbs_conn *conn)
{
	shutdown(conn->source.fd, SHUT_WR);
	conn->source.event = drain;
	io_rewatch(conn->thread, &conn->source, EPOLLIN);
	drain(&conn->source, EPOLLIN);
}

static void room(struct io_source *source, uint32_t events)
{
	struct nbs_conn *conn = (struct nbs_conn *)source;

	(void)events;
	if (tls_session_finish(conn->tls) != -EAGAIN)
		finish(conn);
}

void tls_farewell_begin(struct nbs_conn *conn)
{
	char remote[NBS_ADDR_MAX];

	if (log_enabled(NBS_DEBUG)) {
		conn_address_text(remote, &conn->remote.sa);
		log_debug("tls", "a challenge was answered listener=%s remote=%s",
		          conn->origin->listener, remote);
	}
	conn->timer.expired = over;
	io_timer_arm(conn->thread, &conn->timer, clock_ms() + PATIENCE_MS);
	if (tls_session_finish(conn->tls) != -EAGAIN) {
		finish(conn);
		return;
	}
	conn->source.event = room;
	io_rewatch(conn->thread, &conn->source, EPOLLOUT);
}
