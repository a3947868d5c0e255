/*
 * scrape.c - how long GET /metrics takes, from connect() to the last byte.
 *
 *   scrape 127.0.0.1:PORT COUNT text|openmetrics|gzip
 *
 * One after the other, each on a connection of its own.  Anything but a whole answer with 200 is a
 * failure.
 */
#include "hist.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 10
#define ANSWER_MAX (32u << 20)

static const struct kind {
	const char *name, *header;
	const char *says; /* must be in the head of the answer */
} kinds[] = {
    {"text", "", "Content-Type: text/plain; version=0.0.4"},
    {"openmetrics", "Accept: application/openmetrics-text\r\n",
     "Content-Type: application/openmetrics-text; version=1.0.0"},
    {"gzip", "Accept-Encoding: gzip\r\n", "Content-Encoding: gzip"},
};

static char answer[ANSWER_MAX + 1];

static int complain(const char *what)
{
	fprintf(stderr, "scrape: %s\n", what);
	return -1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int parse_target(struct sockaddr_in *to, const char *target)
{
	const char *colon = strchr(target, ':');
	char host[INET_ADDRSTRLEN], *end;
	unsigned long port;

	if (colon == NULL || (size_t)(colon - target) >= sizeof(host))
		return -1;
	memcpy(host, target, (size_t)(colon - target));
	host[colon - target] = '\0';
	port = strtoul(colon + 1, &end, 10);
	*to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	if (port == 0 || port > 65535 || *end != '\0' ||
	    inet_pton(AF_INET, host, &to->sin_addr) != 1 || ntohl(to->sin_addr.s_addr) >> 24 != 127)
		return -1;
	return 0;
}

/* All that comes until the end of the connection. */
static ssize_t talk(int fd, const struct sockaddr_in *to, const char *request)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	size_t len = 0;
	ssize_t n;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
	    connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0 ||
	    send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
		return -1;
	while (len < ANSWER_MAX && (n = recv(fd, answer + len, ANSWER_MAX - len, 0)) != 0) {
		if (n < 0)
			return -1;
		len += (size_t)n;
	}
	answer[len] = '\0';
	return (ssize_t)len;
}

/* The length of the body, or -1. */
static long check(size_t len, const struct kind *kind)
{
	const char *head_end = strstr(answer, "\r\n\r\n"), *length;
	size_t body;

	if (head_end == NULL)
		return complain("no answer");
	if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0)
		return complain("not answered with 200");
	if (strstr(answer, kind->says) == NULL)
		return complain("answered in another form");
	body = len - (size_t)(head_end + 4 - answer);
	if ((length = strstr(answer, "Content-Length: ")) == NULL ||
	    strtoul(length + strlen("Content-Length: "), NULL, 10) != body || body == 0)
		return complain("only a part of an answer");
	return (long)body;
}

static long scrape(const struct sockaddr_in *to, const struct kind *kind)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char request[256];
	ssize_t len = -1;

	snprintf(request, sizeof(request),
	         "GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n%s\r\n",
	         kind->header);
	if (fd >= 0)
		len = talk(fd, to, request);
	if (len < 0)
		complain(strerror(errno));
	if (fd >= 0)
		close(fd);
	return len < 0 ? -1 : check((size_t)len, kind);
}

static int measure(const struct sockaddr_in *to, unsigned long count, const struct kind *kind)
{
	static struct hist hist;
	long body = 0;

	hist_reset(&hist);
	for (unsigned long i = 0; i < count; i++) {
		const uint64_t begin = now_ns();

		if ((body = scrape(to, kind)) < 0)
			return 1;
		hist_add(&hist, now_ns() - begin);
	}
	printf("result form=%s scrapes=%lu bytes=%ld p50_ms=%.2f p95_ms=%.2f max_ms=%.2f\n",
	       kind->name, count, body, (double)hist_quantile(&hist, 0.5) / 1e6,
	       (double)hist_quantile(&hist, 0.95) / 1e6, (double)hist.max / 1e6);
	return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	const size_t n_kinds = sizeof(kinds) / sizeof(*kinds);
	struct sockaddr_in to;
	unsigned long count = 0;
	size_t kind = 0;
	char none[] = "", *end = none;

	if (argc == 4)
		count = strtoul(argv[2], &end, 10);
	while (argc == 4 && kind < n_kinds && strcmp(argv[3], kinds[kind].name) != 0)
		kind++;
	if (argc != 4 || count == 0 || *end != '\0' || kind == n_kinds ||
	    parse_target(&to, argv[1]) < 0) {
		fprintf(stderr, "usage: scrape 127.0.0.1:PORT COUNT text|openmetrics|gzip\n");
		return 2;
	}
	return measure(&to, count, &kinds[kind]);
}
