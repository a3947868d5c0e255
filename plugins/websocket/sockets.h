/*
 * All WebSockets of this plugin, so that a shutdown can turn new ones away, tell the open ones to
 * end, and wait until they have.
 *
 * The lock is taken by closed() before a WebSocket goes, so what is on a list can be woken; with
 * it held only ws_wake() is called.
 */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct nbs_host;
struct nbs_ws;

enum socket_kind { SOCKET_LIGHT, SOCKET_TUNNEL, SOCKET_KINDS };

/* Part of what stands for a WebSocket. */
struct socket {
	struct nbs_ws *ws;
	struct socket *prev, *next;
};

struct sockets {
	struct nbs_host *host;
	pthread_mutex_t lock;
	pthread_cond_t fewer;
	struct socket *first[SOCKET_KINDS];
	unsigned leases;
	bool draining;
	atomic_bool told[SOCKET_KINDS];
};

void sockets_open(struct sockets *s, struct nbs_host *host);
void sockets_close(struct sockets *s);

/* [conn] -ESHUTDOWN: no more are taken. */
int sockets_enter(struct sockets *s, enum socket_kind kind, struct socket *socket,
                  struct nbs_ws *ws);
void sockets_leave(struct sockets *s, enum socket_kind kind, struct socket *socket);
/* [conn] A lease was taken, or given back. */
void sockets_lease(struct sockets *s, int more);
/* [conn] Whether those of the kind have to end; woken() comes when that changes. */
bool sockets_told(const struct sockets *s, enum socket_kind kind);

/* [main] No more are taken. */
void sockets_drain(struct sockets *s);
/* [main] Those of the kind have to end. */
void sockets_tell(struct sockets *s, enum socket_kind kind);
/* [main] Waits until none is left, or until a point in time of clock_now(). */
void sockets_wait(struct sockets *s, int64_t until);
/* [main] The same for leases. */
void sockets_wait_leases(struct sockets *s, int64_t until);

#endif
