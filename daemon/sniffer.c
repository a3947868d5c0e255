/* Edge-triggered: each arrival of bytes is looked at once with MSG_PEEK, and half a preface costs
 * nothing while it waits; level-triggered it would be ready for ever. */
#include "sniffer.h"

#include "clock.h"
#include "conn.h"
#include "first_bytes.h"
#include "handover.h"
#include "service.h"
#include "stream.h"

#include <errno.h>
#include <sys/epoll.h>

static void hand_to(struct nbs_conn *conn, struct service *service)
{
	if (service == NULL) {
		conn_refuse(conn, CONN_REFUSED_UNSERVED);
		return;
	}
	io_timer_cancel(conn->thread, &conn->timer);
	io_unwatch(conn->thread, &conn->source);
	if (service_adopts(service))
		handover_begin(conn, service);
	else
		stream_begin(conn, service);
}

static void decide(struct nbs_conn *conn, enum first_bytes what, bool ended)
{
	switch (what) {
	case FIRST_BYTES_MORE:
		if (ended)
			conn_refuse(conn, CONN_REFUSED_LEFT);
		break;
	case FIRST_BYTES_HTTP2:
		hand_to(conn, conn->origin->http2);
		break;
	case FIRST_BYTES_HTTP1:
	case FIRST_BYTES_TLS:
		hand_to(conn, NULL);
		break;
	case FIRST_BYTES_OTHER:
		conn_refuse(conn, CONN_REFUSED_UNKNOWN);
		break;
	}
}

static void bytes_came(struct io_source *source, uint32_t events)
{
	struct nbs_conn *conn = (struct nbs_conn *)source;
	unsigned char first[FIRST_BYTES_MAX];
	ssize_t n;

	do
		n = recv(source->fd, first, sizeof(first), MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		decide(conn, first_bytes_judge(first, (size_t)n),
		       (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
	else if (n == 0 || errno != EAGAIN)
		conn_refuse(conn, CONN_REFUSED_LEFT);
}

static void timed_out(struct io_timer *timer)
{
	conn_refuse(CONN_OF(timer, timer), CONN_REFUSED_SILENT);
}

void sniffer_begin(struct nbs_conn *conn)
{
	conn->phase = CONN_SNIFFING;
	conn->source.event = bytes_came;
	conn->timer.expired = timed_out;
	io_timer_arm(conn->thread, &conn->timer, clock_ms() + conn_handshake_timeout(conn));
	if (io_watch(conn->thread, &conn->source, EPOLLIN | EPOLLRDHUP | EPOLLET) < 0)
		conn_refuse(conn, CONN_REFUSED_ERROR);
}
