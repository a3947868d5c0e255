/*
 * peer.h - one NetBird peer as its server sees it: a connection, registered, and any number of
 * messages sent over it.  How it speaks is its transport's; pings are answered in each.
 *
 * All peers live on one thread.  Whoever calls peer_ready() or peer_call() gets busy() when the
 * peer has something to write and then owes it peer_flush(); so what belongs together leaves in
 * one write.  Errors are negative errno and already reported on stderr; after one the peer is of
 * no use and may only be closed.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "frame.h"

struct peer;

enum peer_transport {
	PEER_GRPC,   /* HTTP/2 in plaintext; an open ConnectStream, and a Send for each message */
	PEER_TLS,    /* the same over TLS */
	PEER_TUNNEL, /* the same in the binary messages of a WebSocket (/ws-proxy/signal) */
	PEER_LIGHT,  /* one message in one of a WebSocket (/signal/ws) */
	PEER_TRANSPORTS
};

struct peer_target {
	struct sockaddr_storage addr; /* loopback */
	enum peer_transport transport;
	const char *ca; /* PEER_TLS: a PEM file, see wire.h */
};

/* One message in flight.  The caller keeps it and its bytes until answered() is called. */
struct peer_call {
	const uint8_t *bytes; /* the framed message */
	size_t len;
	size_t sent;       /* of len; the peer's */
	size_t answer_len; /* the peer's */
	int status;        /* grpc-status; -1 before it came; the peer's */
};

/* Callbacks, from inside peer_ready().  A negative return ends the peer with that error. */
struct peer_ops {
	/* The server says that the peer is registered. */
	int (*registered)(void *arg, struct peer *p);
	/* One message for the peer; lent. */
	int (*message)(void *arg, struct peer *p, const uint8_t *msg, size_t len);
	/* The Send succeeded: OK and empty.  Anything else is an error of the peer.  PEER_LIGHT has
	 * no answers: it comes from inside peer_call(). */
	int (*answered)(void *arg, struct peer_call *call);
	/* There is something to write; comes once before each peer_flush(). */
	void (*busy)(void *arg, struct peer *p);
};

/* NULL if there is none of that number. */
const char *peer_transport_name(unsigned transport);

/* What all peers of one server share. */
struct peer_shared;

/* `target`, its `ca`, `ops` and `arg` are kept.  -ENOMEM; -EINVAL: of `ca`. */
int peer_shared_new(struct peer_shared **s, const struct peer_target *target,
                    const struct peer_ops *ops, void *arg);
void peer_shared_free(struct peer_shared *s);

/* Connects and asks for registration; the answers come through peer_ready(). */
int peer_open(struct peer **p, struct peer_shared *s, const char id[static FRAME_ID]);
/* Closes the connection without a word, as a process that ends does. */
void peer_close(struct peer *p);

int peer_fd(const struct peer *p);
const char *peer_id(const struct peer *p); /* FRAME_ID bytes */

/* The socket is readable or writable (edge-triggered): reads until it is empty. */
int peer_ready(struct peer *p);
int peer_flush(struct peer *p);
/* Sends a message. */
int peer_call(struct peer *p, struct peer_call *call);

#endif
