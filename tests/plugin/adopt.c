/*
 * For tests: takes "h2" connections in the adopt() form, as a library that wants a socket does.
 * Key `mode`:
 *   answer (default)  sends "adopted remote=... listener=..." and closes
 *   hold              sends that, then discards what comes until the client ends or stop()
 *   stall             sends that, then reads nothing until the connection breaks or stop()
 *   refuse            adopt() returns -ENOBUFS
 * Metric: adopt_connections.
 */
#include <netbird-signal/plugin.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

NBS_PLUGIN_NOTE;

#define MAX_HELD 1024

struct adopter {
	struct nbs_host *host;
	struct nbs_metric *open;
	bool hold, stall, refuse;
	pthread_t thread;
	int changed;          /* eventfd: the list has grown, or quit is set */
	pthread_mutex_t lock; /* what follows */
	int fds[MAX_HELD];
	size_t n;
	bool quit;
};

static void hang_up(struct adopter *a, int fd)
{
	shutdown(fd, SHUT_RDWR); /* how the daemon notices */
	close(fd);
	a->host->metric_record(a->open, -1);
}

static int keep(struct adopter *a, int fd)
{
	int r = -ENOBUFS;

	pthread_mutex_lock(&a->lock);
	if (a->quit) {
		r = -ESHUTDOWN;
	} else if (a->n < MAX_HELD) {
		a->fds[a->n++] = fd;
		a->host->metric_record(a->open, 1);
		eventfd_write(a->changed, 1);
		r = 0;
	}
	pthread_mutex_unlock(&a->lock);
	return r;
}

static int adopt(void *arg, int fd, struct nbs_conn *conn)
{
	struct nbs_conn_about about = {.size = sizeof(about)};
	struct adopter *a = arg;
	char text[NBS_ADDR_MAX + 64];
	int len;

	if (a->refuse)
		return -ENOBUFS;
	a->host->conn_about(conn, &about);
	len = snprintf(text, sizeof(text), "adopted remote=%s listener=%s\n", about.remote,
	               about.listener);
	/* The first bytes on a new connection: there is room for them. */
	if (send(fd, text, (size_t)len, MSG_NOSIGNAL) != len)
		return -errno;
	return keep(a, fd);
}

/* Discards what has come; false when the client has ended. */
static bool drink(int fd)
{
	char bytes[4096];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		;
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void forget(struct adopter *a, int fd)
{
	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->n; i++)
		if (a->fds[i] == fd) {
			a->fds[i] = a->fds[--a->n];
			break;
		}
	pthread_mutex_unlock(&a->lock);
	hang_up(a, fd);
}

/* What to wait for: the list as it is now, and its change.  0: quit. */
static nfds_t list(struct adopter *a, struct pollfd *polls)
{
	nfds_t n = 0;

	polls[n++] = (struct pollfd){.fd = a->changed, .events = POLLIN};
	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->n; i++)
		polls[n++] = (struct pollfd){.fd = a->fds[i], .events = a->stall ? 0 : POLLIN};
	if (a->quit)
		n = 0;
	pthread_mutex_unlock(&a->lock);
	return n;
}

static void *serve(void *arg)
{
	static struct pollfd polls[MAX_HELD + 1];
	struct adopter *a = arg;
	nfds_t n;

	while ((n = list(a, polls)) > 0) {
		eventfd_t ignored;

		if (a->hold && poll(polls, n, -1) < 0)
			continue;
		if (!a->hold && n == 1 && poll(polls, 1, -1) < 0)
			continue;
		if (polls[0].revents != 0)
			eventfd_read(a->changed, &ignored);
		for (nfds_t i = 1; i < n; i++)
			if (!a->hold ||
			    (polls[i].revents != 0 && (a->stall || !drink(polls[i].fd))))
				forget(a, polls[i].fd);
	}
	while (a->n > 0)
		forget(a, a->fds[0]);
	return NULL;
}

static int read_mode(struct adopter *a)
{
	const char *mode = "answer";
	int r;

	if ((r = a->host->conf_str(a->host, "mode", &mode)) < 0)
		return r;
	a->stall = strcmp(mode, "stall") == 0;
	a->hold = a->stall || strcmp(mode, "hold") == 0;
	a->refuse = strcmp(mode, "refuse") == 0;
	if (a->hold || a->refuse || strcmp(mode, "answer") == 0)
		return 0;
	a->host->log(a->host, NBS_ERROR, "mode=%s: expected answer, hold, stall or refuse", mode);
	return -EINVAL;
}

static int adopt_init(struct nbs_host *host, void **self)
{
	static const struct nbs_service service = {
	    .size = sizeof(service), .protocol = "h2", .adopt = adopt};
	const struct nbs_metric_desc desc = {.size = sizeof(desc),
	                                     .kind = NBS_GAUGE,
	                                     .name = "adopt_connections",
	                                     .help = "Sockets that were adopted and are open."};
	struct adopter *a;
	int r;

	if ((a = calloc(1, sizeof(*a))) == NULL)
		return -ENOMEM;
	a->host = host;
	if ((r = read_mode(a)) < 0 || (r = host->metric_register(host, &desc, &a->open)) < 0 ||
	    (r = host->service_register(host, &service, a)) < 0) {
		free(a);
		return r;
	}
	pthread_mutex_init(&a->lock, NULL);
	*self = a;
	return 0;
}

static int adopt_start(void *self)
{
	struct adopter *a = self;
	sigset_t all, before;
	int r;

	if ((a->changed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&a->thread, NULL, serve, a);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0)
		close(a->changed);
	return r;
}

static int adopt_stop(void *self, unsigned grace_ms)
{
	struct adopter *a = self;

	(void)grace_ms;
	pthread_mutex_lock(&a->lock);
	a->quit = true;
	eventfd_write(a->changed, 1);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	close(a->changed);
	return 0;
}

static void adopt_destroy(void *self)
{
	struct adopter *a = self;

	pthread_mutex_destroy(&a->lock);
	free(a);
}

const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,      .name = "adopt",    .version = "1.0",         .init = adopt_init,
    .start = adopt_start, .stop = adopt_stop, .destroy = adopt_destroy,
};
