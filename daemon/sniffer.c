/* Edge-triggered: each arrival of bytes is looked at once with MSG_PEEK, and half a preface costs
 * nothing while it waits; level-triggered it would be ready for ever.  Inside TLS the same question
 * is asked of the plaintext, whatever ALPN said: some clients and proxies strip it. */
#include "sniffer.h"

#include "channel.h"
#include "conn.h"
#include "first_bytes.h"
#include "handover.h"
#include "http.h"
#include "log.h"
#include "pump.h"
#include "service.h"
#include "stream.h"
#include "tls.h"

#include <errno.h>
#include <sys/epoll.h>

static void settle(struct nbs_conn *conn)
{
	io_timer_cancel(conn->thread, &conn->timer);
	io_unwatch(conn->thread, &conn->source);
}

static void to_http2(struct nbs_conn *conn)
{
	struct service *service = conn->origin->http2;

	if (service == NULL) {
		conn_refuse(conn, CONN_REFUSED_UNSERVED);
		return;
	}
	settle(conn);
	conn_protocol_decided(conn, CONN_H2);
	if (conn->tls == NULL && service_adopts(service))
		handover_begin(conn, service);
	else if (conn->tls == NULL)
		stream_begin(conn, &socket_channel, service);
	else if (service_adopts(service))
		pump_begin(conn, &tls_channel, service);
	else
		stream_begin(conn, &tls_channel, service);
}

static void serve_http(struct nbs_conn *conn)
{
	http_begin(conn_parts(conn)->http, conn);
}

static void to_http1(struct nbs_conn *conn)
{
	settle(conn);
	conn_drop_watch(conn);
	conn_protocol_decided(conn, CONN_HTTP1);
	if (conn->tls != NULL) {
		pump_begin_http(conn, &tls_channel);
		return;
	}
	conn->phase = CONN_HANDED_OVER;
	conn_move(conn, io_guest(conn_parts(conn)->io), serve_http);
}

/* What an operator has to know of, since the client only sees its connection closed. */
static void refuse_aloud(struct nbs_conn *conn, struct log_limit *limit, enum conn_refusal why,
                         const char *what)
{
	char remote[NBS_ADDR_MAX];

	conn_address_text(remote, &conn->remote.sa);
	log_limited(limit, NBS_WARN, "listener", "connection closed: %s listener=%s remote=%s",
	            what, conn->origin->listener, remote);
	conn_refuse(conn, why);
}

static void secured(struct nbs_conn *conn)
{
	conn_protocol_secured(conn);
	sniffer_begin(conn);
}

static void to_tls(struct nbs_conn *conn)
{
	static struct log_limit off, without;
	struct tls *tls = conn_parts(conn)->tls;

	if (conn->tls != NULL) {
		conn_refuse(conn, CONN_REFUSED_UNSERVED);
		return;
	}
	if (!conn->origin->tls) {
		refuse_aloud(conn, &off, CONN_REFUSED_UNSERVED,
		             "it speaks TLS, and the listener has tls = off");
		return;
	}
	if (!tls_ready(tls)) {
		refuse_aloud(conn, &without, CONN_REFUSED_UNSERVED,
		             "it speaks TLS, and [tls] has no certificate");
		return;
	}
	io_unwatch(conn->thread, &conn->source);
	conn_drop_watch(conn);
	tls_begin(tls, conn, secured);
}

static void decide(struct nbs_conn *conn, enum first_bytes what, bool ended)
{
	static struct log_limit plaintext;
	const bool refused = conn->tls == NULL && !conn->origin->plaintext;

	if (what == FIRST_BYTES_MORE) {
		if (ended)
			conn_refuse(conn, CONN_REFUSED_LEFT);
	} else if (what == FIRST_BYTES_TLS) {
		to_tls(conn);
	} else if (what == FIRST_BYTES_OTHER) {
		conn_refuse(conn, CONN_REFUSED_UNKNOWN);
	} else if (refused) {
		refuse_aloud(conn, &plaintext, CONN_REFUSED_PLAINTEXT,
		             "it speaks plaintext, and the listener has tls = required");
	} else if (what == FIRST_BYTES_HTTP2) {
		to_http2(conn);
	} else {
		to_http1(conn);
	}
}

static ssize_t peek(struct nbs_conn *conn, void *bytes, size_t len)
{
	ssize_t n;

	if (conn->tls != NULL)
		return tls_peek(conn, bytes, len);
	do
		n = recv(conn->source.fd, bytes, len, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void look(struct nbs_conn *conn, uint32_t events)
{
	unsigned char first[FIRST_BYTES_MAX];
	ssize_t n = peek(conn, first, sizeof(first));

	if (n > 0)
		decide(conn, first_bytes_judge(first, (size_t)n),
		       (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
	else if (n != -EAGAIN)
		conn_refuse(conn, CONN_REFUSED_LEFT);
}

static void bytes_came(struct io_source *source, uint32_t events)
{
	look((struct nbs_conn *)source, events);
}

/* Inside TLS the first bytes may be in OpenSSL's buffer already; adding a source to epoll reports
 * what the socket has, and look() below what OpenSSL has. */
void sniffer_begin(struct nbs_conn *conn)
{
	conn->source.event = bytes_came;
	if (io_watch(conn->thread, &conn->source, EPOLLIN | EPOLLRDHUP | EPOLLET) < 0)
		conn_refuse(conn, CONN_REFUSED_ERROR);
	else if (conn->tls != NULL)
		look(conn, 0);
}
