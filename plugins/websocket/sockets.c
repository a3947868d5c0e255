/* All WebSockets of this plugin. */
#include "sockets.h"

#include "clock.h"

#include <netbird-signal/plugin.h>

#include <errno.h>

void sockets_open(struct sockets *s, struct nbs_host *host)
{
	*s = (struct sockets){.host = host};
	pthread_mutex_init(&s->lock, NULL);
	clock_cond_open(&s->fewer);
}

void sockets_close(struct sockets *s)
{
	pthread_cond_destroy(&s->fewer);
	pthread_mutex_destroy(&s->lock);
}

int sockets_enter(struct sockets *s, enum socket_kind kind, struct socket *socket,
                  struct nbs_ws *ws)
{
	int r = 0;

	*socket = (struct socket){.ws = ws};
	pthread_mutex_lock(&s->lock);
	if (s->draining) {
		r = -ESHUTDOWN;
	} else {
		if ((socket->next = s->first[kind]) != NULL)
			socket->next->prev = socket;
		s->first[kind] = socket;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

void sockets_leave(struct sockets *s, enum socket_kind kind, struct socket *socket)
{
	pthread_mutex_lock(&s->lock);
	*(socket->prev != NULL ? &socket->prev->next : &s->first[kind]) = socket->next;
	if (socket->next != NULL)
		socket->next->prev = socket->prev;
	pthread_cond_signal(&s->fewer);
	pthread_mutex_unlock(&s->lock);
}

void sockets_lease(struct sockets *s, int more)
{
	pthread_mutex_lock(&s->lock);
	s->leases += (unsigned)more;
	pthread_cond_signal(&s->fewer);
	pthread_mutex_unlock(&s->lock);
}

bool sockets_told(const struct sockets *s, enum socket_kind kind)
{
	return atomic_load(&((struct sockets *)s)->told[kind]);
}

void sockets_drain(struct sockets *s)
{
	pthread_mutex_lock(&s->lock);
	s->draining = true;
	pthread_mutex_unlock(&s->lock);
}

void sockets_tell(struct sockets *s, enum socket_kind kind)
{
	pthread_mutex_lock(&s->lock);
	atomic_store(&s->told[kind], true);
	for (struct socket *socket = s->first[kind]; socket != NULL; socket = socket->next)
		s->host->ws_wake(socket->ws);
	pthread_mutex_unlock(&s->lock);
}

void sockets_wait(struct sockets *s, int64_t until)
{
	pthread_mutex_lock(&s->lock);
	while ((s->first[SOCKET_LIGHT] != NULL || s->first[SOCKET_TUNNEL] != NULL) &&
	       clock_now() < until)
		clock_wait(&s->fewer, &s->lock, until);
	pthread_mutex_unlock(&s->lock);
}

void sockets_wait_leases(struct sockets *s, int64_t until)
{
	pthread_mutex_lock(&s->lock);
	while (s->leases > 0 && clock_now() < until)
		clock_wait(&s->fewer, &s->lock, until);
	pthread_mutex_unlock(&s->lock);
}
