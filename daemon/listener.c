/* Accepting.  See listener.h. */
#include "listener_private.h"

#include "conn_limits.h"
#include "log.h"
#include "metrics.h"
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* So that one busy listener leaves time for what else its thread does. */
#define ACCEPTS_PER_TURN 32

/* Only these have the reserve of conn_limits.h. */
static bool is_admin(const struct listening *s)
{
	return s->origin.class == NBS_ADMIN;
}

static bool *paused_flag(struct listeners *all, bool admin)
{
	return admin ? &all->admin_paused : &all->public_paused;
}

/* Whether it is bound, and pauses with those of class admin, or with all others. */
static bool is_watched(const struct listening *s, bool admin)
{
	return s->source.fd >= 0 && is_admin(s) == admin;
}

/* Lock held. */
static void unwatch_class(struct listeners *all, bool admin)
{
	for (size_t i = 0; i < all->n; i++)
		for (unsigned t = 0; t < io_count(all->io) && is_watched(&all->sockets[i], admin);
		     t++)
			io_unwatch(io_thread_at(all->io, t), &all->sockets[i].source);
}

/* Lock held.  Each thread waits for each socket, and each connection wakes one of them. */
static int watch_class(struct listeners *all, bool admin)
{
	int r;

	for (size_t i = 0; i < all->n; i++) {
		for (unsigned t = 0; t < io_count(all->io); t++) {
			if (!is_watched(&all->sockets[i], admin))
				continue;
			r = io_watch(io_thread_at(all->io, t), &all->sockets[i].source,
			             EPOLLIN | EPOLLEXCLUSIVE);
			if (r < 0 && r != -EEXIST)
				return r;
		}
	}
	return 0;
}

static void pause_class(struct listeners *all, bool admin, const char *why)
{
	static struct log_limit limit;
	bool *paused = paused_flag(all, admin), did = false;

	pthread_mutex_lock(&all->lock);
	if (all->accepting && !*paused) {
		*paused = did = true;
		unwatch_class(all, admin);
	}
	pthread_mutex_unlock(&all->lock);
	if (!did)
		return;
	metrics_count(all->paused_total);
	log_limited(&limit, NBS_WARN, "listener", "accepting pauses: %s class=%s connections=%u",
	            why, admin ? "admin" : "public", conn_limits_count(all->limits));
}

static void resume_class(struct listeners *all, bool admin)
{
	bool *paused = paused_flag(all, admin);

	pthread_mutex_lock(&all->lock);
	if (all->accepting && *paused) {
		*paused = watch_class(all, admin) < 0;
		all->retry |= *paused; /* nobody else would come back for it */
	}
	pthread_mutex_unlock(&all->lock);
}

void listeners_resume(void *listeners)
{
	struct listeners *all = listeners;

	resume_class(all, false);
	resume_class(all, true);
}

void listeners_tick(struct listeners *all)
{
	bool retry;

	pthread_mutex_lock(&all->lock);
	retry = all->retry;
	all->retry = false;
	pthread_mutex_unlock(&all->lock);
	if (retry)
		listeners_resume(all);
}

/* Whether there is room for one more; otherwise accepting pauses until there is. */
static bool enter(struct listening *s)
{
	struct listeners *all = s->all;

	if (conn_limits_enter(all->limits, is_admin(s)))
		return true;
	pause_class(all, is_admin(s), "max-connections is reached");
	conn_limits_starve(all->limits);
	/* One may have left between the two; nobody would call us for that one. */
	if (!conn_limits_enter(all->limits, is_admin(s)))
		return false;
	resume_class(all, is_admin(s));
	return true;
}

static void accept_failed(struct listening *s, int err)
{
	static struct log_limit limit;
	struct listeners *all = s->all;

	switch (err) {
	case EAGAIN:
	case EINTR:
	case ECONNABORTED: /* the client is gone already; accept(2) lists more of that kind */
	case EPROTO:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EPERM:
	case EINVAL: /* listeners_stop() was faster */
		break;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		/* The connection stays in the backlog and the socket stays ready: wait for the next
		 * tick instead of spinning. */
		pause_class(all, is_admin(s), strerror(err));
		pthread_mutex_lock(&all->lock);
		all->retry = true;
		pthread_mutex_unlock(&all->lock);
		break;
	default:
		log_limited(&limit, NBS_ERROR, "listener", "accept on %s: %s", s->address.text,
		            strerror(err));
	}
}

/*
 * One connection with two descriptors: the second is for whoever has to notice the connection's
 * end (handover.c).  Its number is taken first, with a duplicate of our own socket, so that
 * without it the client stays in the backlog instead of being closed a moment later.
 */
static int accept_pair(int listening_fd, union conn_address *remote, int *watch_fd)
{
	socklen_t len = sizeof(*remote);
	int fd, spare, r;

	memset(remote, 0, sizeof(*remote));
	if ((spare = fcntl(listening_fd, F_DUPFD_CLOEXEC, 0)) < 0)
		return -errno;
	if ((fd = accept4(listening_fd, &remote->sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0) {
		r = -errno;
		close(spare);
		return r;
	}
	if ((*watch_fd = dup3(fd, spare, O_CLOEXEC)) < 0) {
		r = -errno;
		close(spare);
		close(fd);
		return r;
	}
	return fd;
}

static void accept_some(struct io_source *source, uint32_t events)
{
	struct listening *s = (struct listening *)source;
	struct listeners *all = s->all;
	union conn_address remote;
	int fd, watch_fd = -1;

	(void)events;
	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		if (!enter(s))
			return;
		if ((fd = accept_pair(source->fd, &remote, &watch_fd)) < 0) {
			conn_limits_leave(all->limits);
			accept_failed(s, -fd);
			return;
		}
		conn_accepted(all->conns, &s->origin, fd, watch_fd, &remote);
	}
}

static void log_listening(const struct listening *s)
{
	static const char *const classes[] = {
	    [NBS_PUBLIC] = "public", [NBS_ADMIN] = "admin", [NBS_CHALLENGE] = "challenge"};
	union conn_address local = {0};
	socklen_t len = sizeof(local);
	char text[NBS_ADDR_MAX];

	getsockname(s->source.fd, &local.sa, &len);
	conn_address_text(text, &local.sa);
	log_info("listener", "listening name=%s address=%s class=%s tls=%s http2=%s%s%s%s%s",
	         s->origin.listener, text, classes[s->origin.class],
	         !s->origin.tls        ? "off"
	         : s->origin.plaintext ? "auto"
	                               : "required",
	         s->origin.http2 != NULL ? service_plugin(s->origin.http2) : "none",
	         s->origin.proxy_protocol ? " proxy-protocol=required" : "",
	         *s->plugin != '\0' ? " plugin=" : "", s->plugin,
	         s->address.any && local.sa.sa_family == AF_INET6 ? " (IPv4 and IPv6)" : "");
}

int listeners_start(struct listeners *all, struct io *io, struct conn_limits *limits,
                    struct conns *conns)
{
	int r = 0;

	all->io = io;
	all->limits = limits;
	all->conns = conns;
	for (size_t i = 0; i < all->n; i++)
		all->sockets[i].source.event = accept_some;
	pthread_mutex_lock(&all->lock);
	all->accepting = true;
	if ((r = watch_class(all, false)) == 0)
		r = watch_class(all, true);
	pthread_mutex_unlock(&all->lock);
	if (r < 0) {
		log_error("listener", "cannot accept connections: %s", strerror(-r));
		listeners_stop(all); /* some may be watched already */
		return r;
	}
	for (size_t i = 0; i < all->n; i++)
		if (all->sockets[i].source.fd >= 0)
			log_listening(&all->sockets[i]);
	return 0;
}

void listeners_stop(struct listeners *all)
{
	pthread_mutex_lock(&all->lock);
	if (all->accepting) {
		unwatch_class(all, false);
		unwatch_class(all, true);
	}
	all->accepting = false;
	pthread_mutex_unlock(&all->lock);
	/* Not closed: an I/O thread may be inside accept4(), and a descriptor of the same number
	 * could appear under it.  Clients must see now that nobody listens. */
	for (size_t i = 0; i < all->n; i++)
		if (all->sockets[i].source.fd >= 0)
			shutdown(all->sockets[i].source.fd, SHUT_RDWR);
}

void listeners_close(struct listeners *all)
{
	if (all == NULL)
		return;
	for (size_t i = 0; i < all->n; i++)
		if (all->sockets[i].source.fd >= 0)
			close(all->sockets[i].source.fd);
	pthread_mutex_destroy(&all->lock);
	free(all);
}
