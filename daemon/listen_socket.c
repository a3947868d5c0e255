/* Making listening sockets. */
#include "listen_socket.h"

#include "config.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
/* A connection whose data nobody acknowledges for so long is dead, zero windows included
 * (RFC 5482).  It also ends those that a transport hung up while their window was closed. */
#define USER_TIMEOUT_MS 60000

/* What the kernel may hold of a connection in each direction, doubled by it for its own records.
 * Without a bound that is megabytes: of a flood that was already cut off, or of messages for a
 * receiver that does not read, and every back-pressure of ours would begin so much later. */
#define BUFFER (256 * 1024)

/* Accepted sockets inherit these. */
static int set_options(int fd, const struct config_address *a)
{
	const int on = 1, off = 0, timeout = USER_TIMEOUT_MS, buffer = BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)) < 0)
		return -errno;
	if (a->sa.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, a->any ? &off : &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

static int open_address(const struct config_address *a)
{
	int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	int r;

	if (fd < 0)
		return -errno;
	if ((r = set_options(fd, a)) < 0)
		goto err;
	if (bind(fd, (const struct sockaddr *)&a->sa, a->len) < 0 || listen(fd, BACKLOG) < 0) {
		r = -errno;
		goto err;
	}
	return fd;
err:
	close(fd);
	return r;
}

static int open_any_v4(const struct config_address *address)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->sa;
	struct config_address a = {.len = sizeof(struct sockaddr_in), .any = true};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&a.sa;

	v4->sin_family = AF_INET;
	v4->sin_port = v6->sin6_port;
	return open_address(&a);
}

int listen_socket_open(const struct config_address *address)
{
	int r = open_address(address);

	if (address->any && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL))
		r = open_any_v4(address);
	return r;
}
