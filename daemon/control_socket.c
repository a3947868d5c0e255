/*
 * A request is answered within the event that brings it: the answer fits into the socket's buffer
 * as long as nothing else is in there, so that nobody ever waits for a client to read.
 */
#include "control_socket.h"

#include "clock.h"
#include "commands.h"
#include "control.h"
#include "log.h"
#include "privileges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 32
/* More than an answer with the kernel's own share of a packet. */
#define SEND_BUFFER (4 * COMMANDS_OUTPUT_MAX)

struct client {
	struct control_watch watch; /* first */
	struct control_socket *s;
	struct client *next;
	uint64_t deadline_ms;
};

struct control_socket {
	struct control_watch watch; /* first: who listens */
	struct control *control;
	struct commands *commands;
	struct client *oldest; /* in the order in which they came */
	unsigned n_clients;
	bool paused; /* accept() found no descriptor; until the next tick */
	struct sockaddr_un addr;
	dev_t dev; /* the file that is ours */
	ino_t ino;
};

/* --- clients ---------------------------------------------------------------------------------- */

static void drop(struct client *c)
{
	struct control_socket *s = c->s;
	struct client **at = &s->oldest;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	s->n_clients--;
	control_unwatch(s->control, &c->watch);
	close(c->watch.fd);
	free(c);
}

static void answer(const struct client *c, int status, const char *text, size_t len)
{
	char first = (char)('0' + status);
	struct iovec parts[] = {{.iov_base = &first, .iov_len = 1},
	                        {.iov_base = (char *)text, .iov_len = len}};
	const struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};

	if (sendmsg(c->watch.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EPIPE)
		log_warn("control", "the answer to a command could not be sent: %s",
		         strerror(errno));
}

static void answer_text(const struct client *c, int status, const char *text)
{
	answer(c, status, text, strlen(text));
}

/* The words of a request; -EINVAL: it is none. */
static int split(const char *request, size_t len, const char *words[CONTROL_WORDS_MAX + 1])
{
	const char *end = request + len, *at;
	int n = 0;

	if (len == 0 || end[-1] != '\0' || *request == '\0')
		return -EINVAL;
	for (at = request; at < end; at += strlen(at) + 1) {
		if (n == CONTROL_WORDS_MAX)
			return -EINVAL;
		words[n++] = at;
	}
	words[n] = NULL;
	return n;
}

static void obey(const struct client *c, const char *request, size_t len)
{
	const char *words[CONTROL_WORDS_MAX + 1];
	int n = split(request, len, words), status;
	char *text;
	size_t text_len;

	if (n < 0) {
		log_debug("control", "a request that is none bytes=%zu", len);
		answer_text(c, 2, "netbird-signal: the daemon does not understand the request\n");
		return;
	}
	status = commands_run(c->s->commands, n, words, &text, &text_len);
	answer(c, status, text, text_len);
	free(text);
}

/* Takes the request if it is there; whether the client is done with. */
static bool serve(struct client *c)
{
	char request[CONTROL_REQUEST_MAX + 1]; /* one more, to see what is too long */
	ssize_t n;

	do
		n = recv(c->watch.fd, request, sizeof(request), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n > CONTROL_REQUEST_MAX)
		answer_text(c, 2, "netbird-signal: the words are too long\n");
	else if (n > 0)
		obey(c, request, (size_t)n);
	return true;
}

static void client_event(struct control_watch *watch)
{
	struct client *c = (struct client *)watch;

	if (serve(c))
		drop(c);
}

/* --- accepting -------------------------------------------------------------------------------- */

static bool may_command(const struct client *c)
{
	static struct log_limit limit;
	struct ucred who = {.uid = (uid_t)-1};
	socklen_t len = sizeof(who);

	if (getsockopt(c->watch.fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
	    (who.uid == 0 || who.uid == geteuid()))
		return true;
	log_limited(&limit, NBS_WARN, "control", "a command was refused uid=%ld pid=%ld",
	            (long)who.uid, (long)who.pid);
	answer_text(c, 1, "netbird-signal: only root and the daemon's user may give commands\n");
	return false;
}

/* The one that has been silent for longest goes, unless its request has come by now. */
static void make_room(struct control_socket *s)
{
	while (s->n_clients >= CONTROL_CLIENTS_MAX) {
		serve(s->oldest);
		drop(s->oldest);
	}
}

static int add_client(struct control_socket *s, int fd)
{
	const int size = SEND_BUFFER;
	struct client *c = calloc(1, sizeof(*c)), **at = &s->oldest;
	int r;

	if (c == NULL)
		return -ENOMEM;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	*c = (struct client){.watch = {.fd = fd, .event = client_event},
	                     .s = s,
	                     .deadline_ms = clock_ms() + CONTROL_PATIENCE_MS};
	if (!may_command(c)) {
		free(c);
		return -EACCES;
	}
	if ((r = control_watch(s->control, &c->watch)) < 0) {
		free(c);
		return r;
	}
	while (*at != NULL)
		at = &(*at)->next;
	*at = c;
	s->n_clients++;
	return 0;
}

static void pause_accepting(struct control_socket *s)
{
	static struct log_limit limit;

	log_limited(&limit, NBS_WARN, "control", "cannot accept a command: %s", strerror(errno));
	control_unwatch(s->control, &s->watch);
	s->paused = true;
}

/* One at a time: the others are there in the next turn of the loop. */
static void listener_event(struct control_watch *watch)
{
	struct control_socket *s = (struct control_socket *)watch;
	int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			pause_accepting(s);
		return;
	}
	make_room(s);
	if (add_client(s, fd) < 0)
		close(fd);
}

void control_socket_tick(struct control_socket *s, uint64_t now_ms)
{
	if (s == NULL)
		return;
	while (s->oldest != NULL && s->oldest->deadline_ms <= now_ms) {
		log_debug("control", "a client that said nothing was closed");
		drop(s->oldest);
	}
	if (s->paused)
		s->paused = control_watch(s->control, &s->watch) < 0;
}

/* --- the file --------------------------------------------------------------------------------- */

/* Why the address is taken: -EADDRINUSE by somebody who is there, -EEXIST by something that is no
 * socket; 0: by a daemon that has gone, and now it is free. */
static int replace_stale(const struct sockaddr_un *addr)
{
	struct stat st;
	int fd, r;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if ((fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : -EADDRINUSE;
	close(fd);
	if (r != -ECONNREFUSED) /* -EPROTOTYPE, -EAGAIN: somebody is there, too */
		return r == -EACCES || r == -EPERM ? r : -EADDRINUSE;
	return unlink(addr->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_once(int fd, const struct sockaddr_un *addr)
{
	return bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;
}

/* The mode of the socket is that of its file (masked by umask), so that nobody else can open it at
 * any moment. */
static int bind_private(struct control_socket *s)
{
	int fd = s->watch.fd, r;

	if (fchmod(fd, 0600) < 0)
		return -errno;
	if ((r = bind_once(fd, &s->addr)) == -EADDRINUSE && (r = replace_stale(&s->addr)) == 0)
		r = bind_once(fd, &s->addr);
	return r;
}

static int know_file(struct control_socket *s)
{
	struct stat st;

	if (lstat(s->addr.sun_path, &st) < 0)
		return -errno;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

static void remove_file(const struct control_socket *s)
{
	struct stat st;

	if (lstat(s->addr.sun_path, &st) < 0 || st.st_dev != s->dev || st.st_ino != s->ino)
		return;
	/* In a directory of root's it stays if we are not root any more; the next start replaces
	 * it. */
	if (unlink(s->addr.sun_path) < 0)
		log_debug("control", "%s stays: %s", s->addr.sun_path, strerror(errno));
}

static int make_file(struct control_socket *s, const char *user)
{
	int r;

	if ((r = bind_private(s)) < 0)
		return r;
	if ((r = know_file(s)) < 0)
		return r;
	if ((r = privileges_give_file(s->addr.sun_path, user)) < 0)
		goto err;
	if (listen(s->watch.fd, BACKLOG) < 0) {
		r = -errno;
		goto err;
	}
	return 0;
err:
	remove_file(s);
	return r;
}

static int listen_on(struct control_socket *s, const struct control_socket_settings *settings)
{
	size_t len = strlen(settings->path);
	int r;

	if (len >= sizeof(s->addr.sun_path))
		return -ENAMETOOLONG;
	s->addr.sun_family = AF_UNIX;
	memcpy(s->addr.sun_path, settings->path, len);
	if ((s->watch.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0)
		return -errno;
	if ((r = make_file(s, settings->user)) < 0)
		goto err0;
	if ((r = control_watch(s->control, &s->watch)) < 0)
		goto err1;
	return 0;
err1:
	remove_file(s);
err0:
	close(s->watch.fd);
	return r;
}

static const char *reason(int r)
{
	return r == -EADDRINUSE ? "another process listens there"
	       : r == -EEXIST   ? "something that is no socket has this name"
	                        : strerror(-r);
}

static int failed(const struct control_socket_settings *settings, int r)
{
	log_line(settings->required ? NBS_ERROR : NBS_WARN, "control", "control socket %s: %s%s",
	         settings->path, reason(r),
	         settings->required ? "" : "; commands for this daemon are not taken");
	return settings->required ? r : 0;
}

int control_socket_open(struct control_socket **out, const struct control_socket_settings *settings,
                        struct control *control, struct commands *commands)
{
	struct control_socket *s;
	int r;

	*out = NULL;
	if (*settings->path == '\0' || !commands_any(commands))
		return 0;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return -ENOMEM;
	s->watch.event = listener_event;
	s->control = control;
	s->commands = commands;
	if ((r = listen_on(s, settings)) < 0) {
		free(s);
		return failed(settings, r);
	}
	log_info("control", "control socket path=%s", settings->path);
	*out = s;
	return 0;
}

void control_socket_close(struct control_socket *s)
{
	if (s == NULL)
		return;
	while (s->oldest != NULL)
		drop(s->oldest);
	control_unwatch(s->control, &s->watch);
	remove_file(s);
	close(s->watch.fd);
	free(s);
}
