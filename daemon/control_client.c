/* Every wait has a bound, since the daemon may hang; nothing is shown before the whole answer is
 * there. */
#include "control_client.h"

#include "clock.h"
#include "commands.h"
#include "control_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FAILED = 1, WRONG_WORDS = 2 };

#define ANSWER_MAX (1 + COMMANDS_OUTPUT_MAX)

struct request {
	char bytes[CONTROL_REQUEST_MAX];
	size_t len;
};

static int pack(struct request *request, const char *const *words)
{
	int n = 0;

	request->len = 0;
	for (; *words != NULL; words++) {
		size_t len = strlen(*words) + 1;

		if (len > sizeof(request->bytes) - request->len || ++n > CONTROL_WORDS_MAX)
			return -E2BIG;
		memcpy(request->bytes + request->len, *words, len);
		request->len += len;
	}
	return 0;
}

/* Sets how long the next call on the socket may take. */
static int limit(int fd, int option, uint64_t deadline_ms)
{
	uint64_t now = clock_ms(), left = now < deadline_ms ? deadline_ms - now : 0;
	const struct timeval tv = {.tv_sec = (time_t)(left / 1000),
	                           .tv_usec = (suseconds_t)(left % 1000 * 1000)};

	if (left == 0)
		return -ETIMEDOUT; /* 0 would be no limit at all */
	return setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv)) < 0 ? -errno : 0;
}

/* What a call that took too long fails with. */
static int late(int err)
{
	return err == EAGAIN || err == EINPROGRESS ? -ETIMEDOUT : -err;
}

static int open_socket(const char *path, uint64_t deadline_ms)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	if ((fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) < 0)
		return -errno;
	if ((r = limit(fd, SO_SNDTIMEO, deadline_ms)) < 0)
		goto err;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		r = late(errno);
		goto err;
	}
	return fd;
err:
	close(fd);
	return r;
}

/* The answer and its length; 0: the daemon has closed without one.  One that refuses us has perhaps
 * answered and closed before it got the request, which is told first, and once. */
static ssize_t exchange(int fd, const struct request *request, char *answer, uint64_t deadline_ms)
{
	bool refused = false;
	ssize_t n;
	int r;

	if (send(fd, request->bytes, request->len, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		return late(errno);
	for (;;) {
		if ((r = limit(fd, SO_RCVTIMEO, deadline_ms)) < 0)
			return r;
		if ((n = recv(fd, answer, ANSWER_MAX, 0)) >= 0)
			return n;
		if (errno == ECONNRESET && !refused)
			refused = true;
		else if (errno != EINTR) /* stopped and continued */
			return late(errno);
	}
}

static int say_no_answer(const char *path, const char *name, int r, unsigned timeout_ms)
{
	switch (r) {
	case -ENOENT:
	case -ENOTDIR:
	case -ECONNREFUSED:
		fprintf(stderr,
		        "netbird-signal: \"%s\" is no command of this program, and no daemon that "
		        "may have it is running at %s; \"netbird-signal help\" lists commands and "
		        "options\n",
		        name, path);
		break;
	case -EACCES:
	case -EPERM:
		fprintf(stderr,
		        "netbird-signal: %s: not allowed as uid %u; only root and the daemon's "
		        "user may give commands\n",
		        path, (unsigned)geteuid());
		break;
	case -ETIMEDOUT:
		fprintf(stderr, "netbird-signal: the daemon at %s does not answer (%u ms)\n", path,
		        timeout_ms);
		break;
	case -ECONNRESET:
		fprintf(stderr, "netbird-signal: the daemon at %s has closed without an answer\n",
		        path);
		break;
	default:
		fprintf(stderr, "netbird-signal: %s: %s\n", path, strerror(-r));
	}
	return FAILED;
}

/* Of a first word of ours that was written behind the command, where it is the command's. */
static void hint(const char *const *words)
{
	for (const char *const *w = words + 1; *w != NULL; w++) {
		if (strncmp(*w, "--", 2) != 0)
			continue;
		fprintf(stderr, "netbird-signal: its own options stand before \"%s\"\n", words[0]);
		return;
	}
}

static int show(const char *const *words, const char *answer, size_t len)
{
	const int status = answer[0] - '0';
	FILE *out = status == WRONG_WORDS ? stderr : stdout;

	if (status < 0 || status > 9) {
		fprintf(stderr, "netbird-signal: the answer of the daemon is not understood\n");
		return FAILED;
	}
	if (fwrite(answer + 1, 1, len - 1, out) < len - 1 || fflush(out) == EOF)
		return FAILED;
	if (status == WRONG_WORDS)
		hint(words);
	return status;
}

static int ask(const char *path, const char *const *words, const struct request *request,
               char *answer, unsigned timeout_ms)
{
	const uint64_t deadline_ms = clock_ms() + timeout_ms;
	int fd = open_socket(path, deadline_ms);
	ssize_t n;

	if (fd < 0)
		return say_no_answer(path, words[0], fd, timeout_ms);
	n = exchange(fd, request, answer, deadline_ms);
	close(fd);
	if (n <= 0)
		return say_no_answer(path, words[0], n < 0 ? (int)n : -ECONNRESET, timeout_ms);
	return show(words, answer, (size_t)n);
}

int control_client_call(const char *path, const char *const *words, unsigned timeout_ms)
{
	struct request request;
	char *answer;
	int status;

	if (*path == '\0') {
		fprintf(
		    stderr,
		    "netbird-signal: \"%s\" is no command of this program, and no daemon can be "
		    "asked, as [daemon] control-socket is empty\n",
		    words[0]);
		return FAILED;
	}
	if (pack(&request, words) < 0) {
		fprintf(stderr, "netbird-signal: more than %d words or %d bytes\n",
		        CONTROL_WORDS_MAX, CONTROL_REQUEST_MAX);
		return WRONG_WORDS;
	}
	if ((answer = malloc(ANSWER_MAX)) == NULL) {
		fprintf(stderr, "netbird-signal: out of memory\n");
		return FAILED;
	}
	status = ask(path, words, &request, answer, timeout_ms);
	free(answer);
	return status;
}
