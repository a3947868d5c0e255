/* Edge-triggered and with MSG_PEEK, as sniffer.c does it: until the header is whole it stays in the
 * socket, and then nothing but the header is taken out, since what follows it in the same segment
 * belongs to whoever serves the connection. */
#include "proxy.h"

#include "config_network.h"
#include "conn.h"
#include "log.h"
#include "proxy_header.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

static void warn(struct log_limit *limit, const struct nbs_conn *conn, const char *words)
{
	char text[NBS_ADDR_MAX];

	conn_address_text(text, &conn->remote.sa);
	log_limited(limit, NBS_WARN, "listener", "connection closed: %s listener=%s remote=%s",
	            words, conn->origin->listener, text);
}

static void refuse_header(struct nbs_conn *conn)
{
	static struct log_limit limit;

	warn(&limit, conn, "the proxy sent no PROXY header, or a wrong one");
	conn_refuse(conn, CONN_REFUSED_PROXY);
}

static void refuse_untrusted(struct nbs_conn *conn)
{
	static struct log_limit limit;

	warn(&limit, conn, "its address is not in trusted-proxies");
	conn_refuse(conn, CONN_REFUSED_UNTRUSTED);
}

static bool is_trusted(const struct nbs_conn *conn)
{
	size_t i;

	for (i = 0; i < conn->origin->n_trusted; i++) {
		if (config_network_contains(&conn->origin->trusted[i], &conn->remote.sa))
			return true;
	}
	return false;
}

/* Takes the header out of the socket, where all of it is. */
static int consume(int fd, size_t len)
{
	unsigned char bytes[PROXY_HEADER_MAX];
	ssize_t n;

	while (len > 0) {
		n = recv(fd, bytes, len, MSG_DONTWAIT);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			len -= (size_t)n;
	}
	return 0;
}

/* A proxy that speaks for itself, such as a health check, counts as a client. */
static int set_client(struct nbs_conn *conn, const struct proxy_header *header)
{
	if (header->source.ss_family == AF_UNSPEC)
		return conn_set_client(conn, &conn->remote.sa);
	if ((conn->proxy = malloc(sizeof(*conn->proxy))) == NULL)
		return -ENOMEM;
	*conn->proxy = conn->remote;
	return conn_set_client(conn, (const struct sockaddr *)&header->source);
}

static void pass_on(struct nbs_conn *conn, const struct proxy_header *header)
{
	int r;

	if (consume(conn->source.fd, header->len) < 0)
		conn_refuse(conn, CONN_REFUSED_LEFT);
	else if ((r = set_client(conn, header)) < 0)
		conn_refuse(conn, r == -EUSERS ? CONN_REFUSED_LIMIT : CONN_REFUSED_ERROR);
	else
		conn->arrived(conn);
}

static void decide(struct nbs_conn *conn, const unsigned char *bytes, size_t n, bool ended)
{
	struct proxy_header header;

	switch (proxy_header_parse(bytes, n, &header)) {
	case 0:
		io_unwatch(conn->thread, &conn->source);
		pass_on(conn, &header);
		break;
	case -EAGAIN:
		if (ended)
			conn_refuse(conn, CONN_REFUSED_LEFT);
		break;
	default:
		refuse_header(conn);
	}
}

static void bytes_came(struct io_source *source, uint32_t events)
{
	struct nbs_conn *conn = (struct nbs_conn *)source;
	unsigned char bytes[PROXY_HEADER_MAX];
	ssize_t n;

	do
		n = recv(source->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		decide(conn, bytes, (size_t)n, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
	else if (n == 0 || errno != EAGAIN)
		conn_refuse(conn, CONN_REFUSED_LEFT);
}

void proxy_begin(struct nbs_conn *conn, void (*next)(struct nbs_conn *conn))
{
	conn->arrived = next; /* free until the record moves to another thread */
	conn->source.event = bytes_came;
	if (!is_trusted(conn))
		refuse_untrusted(conn);
	else if (io_watch(conn->thread, &conn->source, EPOLLIN | EPOLLRDHUP | EPOLLET) < 0)
		conn_refuse(conn, CONN_REFUSED_ERROR);
}
