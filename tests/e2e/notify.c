/*
 * Prints what a service says to its manager: binds a datagram socket (a path, or @NAME for an
 * abstract one), says "bound", and writes each line of each datagram to stdout, until stdin ends.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listen_on(const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(name);
	int fd;

	if (len == 0 || len >= sizeof(addr.sun_path)) {
		fprintf(stderr, "%s: no name of a socket\n", name);
		return -1;
	}
	memcpy(addr.sun_path, name, len);
	if (name[0] == '@')
		addr.sun_path[0] = '\0';
	else
		unlink(name);
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0) {
		perror("socket");
		return -1;
	}
	if (bind(fd, (struct sockaddr *)&addr,
	         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
		perror(name);
		close(fd);
		return -1;
	}
	return fd;
}

static void print_datagrams(int fd)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
	                       {.fd = STDIN_FILENO, .events = POLLIN}};
	char text[4096];
	ssize_t n;

	while (fds[1].revents == 0) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents == 0)
			continue;
		if ((n = recv(fd, text, sizeof(text), 0)) < 0)
			return;
		printf("%.*s\n", (int)n, text);
		fflush(stdout);
	}
}

int main(int argc, char *argv[])
{
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: notify SOCKET\n");
		return 2;
	}
	if ((fd = listen_on(argv[1])) < 0)
		return 1;
	puts("bound");
	fflush(stdout);
	print_datagrams(fd);
	if (argv[1][0] != '@')
		unlink(argv[1]);
	return 0;
}
