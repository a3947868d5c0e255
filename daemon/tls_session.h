/*
 * One SSL object on its socket, from the ClientHello to the end; between tls.c (the handshake) and
 * tls_channel.c (what comes after).  Everything is [conn] except where said.
 *
 * A turn is what one event may do: tls_session_turn() begins it.  In a turn at most
 * TLS_SESSION_TURN bytes are read from the socket, and none after a recv() that brought less than
 * it might have, so that a client that floods holds nobody up and an idle one costs one recv().
 */
#ifndef TLS_SESSION_H
#define TLS_SESSION_H

#include "conn.h"
#include "first_bytes.h"
#include "tls_admission.h"

#include <openssl/types.h>

#define TLS_SESSION_TURN IO_READ_BUFFER

struct certs;
struct tls;

/* What a session needs until it is home again. */
struct tls_handshake {
	struct tls_session *session;
	struct tls *tls;
	struct tls_place place; /* in the queue */
	struct certs *certs;
	struct io_thread *home;
	uint64_t deadline_ms;
	void (*timed_out)(struct io_timer *timer); /* what the timer did before */
	void (*done)(struct nbs_conn *conn);
};

/* What a client does wrong after the handshake; a label of a counter. */
enum tls_violation {
	TLS_NO_VIOLATION,
	TLS_RENEGOTIATION,
	TLS_KEY_UPDATES, /* more than anybody needs */
	TLS_GARBAGE,     /* no record, or one that does not decrypt */
	TLS_VIOLATIONS
};

struct tls_session {
	SSL *ssl;
	struct nbs_conn *conn; /* NULL: released while `task` was on its way, which frees this */
	struct tls_handshake *handshake; /* NULL: it is over */
	struct io_task task; /* the call to the handshake; later, bytes inside OpenSSL */
	bool task_posted;    /* tls.c: under the lock of the queue */

	/* The socket. */
	size_t turn_left;
	bool drained, saw_end;
	int broke; /* a negative errno */

	/* Handshake messages after the handshake. */
	bool established, flooded;
	unsigned char violation; /* enum tls_violation; why reading gave -EPROTO */
	unsigned short strays;
	uint64_t strays_ms;

	/* The channel. */
	bool wants_bytes, wants_room;
	bool inside;            /* OpenSSL or `peeked` may hold bytes that can be read */
	bool read_wants_room;   /* to go on reading OpenSSL has to write */
	bool write_wants_bytes; /* and the other way round */
	bool finishing, stopped;
	unsigned char n_peeked;
	unsigned char peeked[FIRST_BYTES_MAX];
	uint32_t watched;
};

/* [main] Once, before the first handshake. */
int tls_session_prepare(void);
/* [main] When no session is left. */
void tls_session_end(void);

/* A server-side SSL object for the connection, on the thread of its handshake.  -ENOMEM. */
int tls_session_open(struct tls_session *s, struct certs *certs);
/* Frees what it holds, but not itself. */
void tls_session_shut(struct tls_session *s);

void tls_session_turn(struct tls_session *s, size_t bytes);
/* 0: done; -EAGAIN: *events says what for; otherwise it failed, and OpenSSL's queue says why. */
int tls_session_accept(struct tls_session *s, uint32_t *events);
/* The handshake is over and answered a certificate authority's challenge. */
bool tls_session_challenged(const struct tls_session *s);
/* The handshake is over: forgets what only that needed. */
void tls_session_established(struct tls_session *s);

/* Bytes, 0 at the end (close_notify, or FIN without one), -EAGAIN: no more in this turn, or a
 * negative errno. */
ssize_t tls_session_read(struct tls_session *s, void *bytes, size_t len);
/* How much was written, up to one record, or a negative errno.  After -EAGAIN the same bytes come
 * first in the next call, and at least as many. */
ssize_t tls_session_write(struct tls_session *s, const void *bytes, size_t len);
/* Sends close_notify.  -EAGAIN: again, when there is room. */
int tls_session_finish(struct tls_session *s);

#endif
