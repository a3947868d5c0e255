/*
 * series.c - prints all that a Unix socket has to say: the series of the test plugin `probe`.
 *
 *   series PATH
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_S 10

static int complain(const char *path)
{
	fprintf(stderr, "series: %s: %s\n", path, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char text[4096];
	ssize_t n;
	int fd;

	if (argc != 2 || strlen(argv[1]) >= sizeof(addr.sun_path)) {
		fprintf(stderr, "usage: series PATH\n");
		return 2;
	}
	memcpy(addr.sun_path, argv[1], strlen(argv[1]));
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
	    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0)
		return complain(argv[1]);
	while ((n = read(fd, text, sizeof(text))) > 0)
		fwrite(text, 1, (size_t)n, stdout);
	if (n < 0)
		return complain(argv[1]);
	return fflush(stdout) == 0 ? 0 : 1;
}
