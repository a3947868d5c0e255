/*
 * How a connection's bytes travel: below a stream (stream.c) lies a socket (socket_channel.c),
 * TLS over a socket (tls_channel.c), or a plugin that carries the bytes inside something else
 * (carried.c).  Everything is [conn].
 *
 * The channel calls the stream when something came; after stream_eof(), stream_room() and
 * stream_broke() the connection may be gone, so they are the last thing a channel does in an
 * event.  After stream_bytes() it is still there, but perhaps paused or ended.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct nbs_conn;

struct channel {
	/* Begins; want() follows.  Negative errno: nothing is watched. */
	int (*start)(struct nbs_conn *conn);
	/* What goes out now: 0 to len bytes, or a negative errno.  Less than len: stream_room()
	 * will come while want() asks for room, and the rest, at least, is what is sent next
	 * (OpenSSL has begun a record of it). */
	ssize_t (*send)(struct nbs_conn *conn, const void *bytes, size_t len);
	/* What the stream waits for.  Without `bytes` none are delivered, the end and errors may
	 * be. */
	void (*want)(struct nbs_conn *conn, bool bytes, bool room);
	/* No more will be sent, all that was is still to arrive (FIN).  Negative errno: it broke.
	 */
	int (*finish)(struct nbs_conn *conn);
	/* The end, once, also after a start() that failed: nothing is watched any more and no call
	 * of the stream comes.  abort: what the kernel has not sent is dropped, and the other side
	 * sees a reset.  The descriptor is closed soon after, by conn_release(). */
	void (*stop)(struct nbs_conn *conn, bool abort);
};

/* What came. */
void stream_bytes(struct nbs_conn *conn, const void *bytes, size_t len);
/* The other side sends no more. */
void stream_eof(struct nbs_conn *conn);
void stream_room(struct nbs_conn *conn);
/* It broke: a negative errno. */
void stream_broke(struct nbs_conn *conn, int err);

/* Whether bytes are wanted now; what want() was told last, or what it will be told. */
bool stream_wants_bytes(const struct nbs_conn *conn);

/* A plain socket: the connection's source.fd. */
extern const struct channel socket_channel;

#endif
