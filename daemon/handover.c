/* Sockets that were given away. */
#include "handover.h"

#include "conn.h"
#include "log.h"
#include "service.h"

#include <sys/epoll.h>
#include <unistd.h>

/* EPOLLHUP comes when both directions are shut down, by the owner or by a reset.  An EPOLLERR
 * alone is the owner's business. */
static void socket_ended(struct io_source *source, uint32_t events)
{
	struct nbs_conn *conn = (struct nbs_conn *)source;

	if (!(events & EPOLLHUP))
		return;
	log_debug("listener", "connection ended conn=%llu", (unsigned long long)conn->id);
	conn_release(conn);
}

void handover_begin(struct nbs_conn *conn, struct service *service)
{
	int fd = conn->source.fd;
	int r;

	conn->phase = CONN_HANDED_OVER;
	/* Watched before it is given away: afterwards the record may have to end at any moment, and
	 * that must not fail. */
	conn->source = (struct io_source){.fd = conn->watch_fd, .event = socket_ended};
	conn->watch_fd = -1;
	if ((r = io_watch(conn->thread, &conn->source, EPOLLET)) < 0 ||
	    (r = service_adopt(service, fd, conn)) < 0) {
		service_log_refusal(service, r);
		close(fd);
		conn_refuse(conn, CONN_REFUSED_ERROR);
	}
}
