/*
 * TLS for connections that begin with a ClientHello: the handshake, on threads of its own, and
 * then a channel (channel.h) that encrypts.
 *
 *   tls.c            the handshake: its threads, timeout and end
 *   tls_admission.c  the limit on how many there are, and who waits
 *   tls_failure.c    why one failed
 *   tls_session.c    one SSL object on its socket
 *   tls_channel.c    the stream's bytes through it
 *   tls_farewell.c   the end of one that was nothing but a handshake
 *   tls_demand.c     what listeners ask of certificates
 */
#ifndef TLS_H
#define TLS_H

#include "channel.h"

#include <netbird-signal/plugin.h>

struct certstore;
struct io;
struct metrics;
struct nbs_conn;
struct tls;

/* [main] */
int tls_open(struct tls **out, struct io *io, struct certstore *certs, struct metrics *metrics);
/* [main] After io_stop(). */
void tls_close(struct tls *tls);
/* [any] How many handshakes may be under way; more wait, and the oldest that stalls gives way. */
void tls_configure(struct tls *tls, unsigned max_handshakes);

/* [any] Whether there is any certificate to serve. */
bool tls_ready(struct tls *tls);
/*
 * [conn] The connection begins with a ClientHello that is still unread; it is watched by nobody,
 * and its timer is armed with what is left of handshake-timeout.  It waits for its turn, moves to
 * a handshake thread and, when the handshake is done, back to its I/O thread, where done(conn) is
 * called with conn->tls set, the timer armed as it was, and nothing watched.  On a failure it is
 * refused.  If it was a certificate authority's challenge it is closed, and done() is not called.
 */
void tls_begin(struct tls *tls, struct nbs_conn *conn, void (*done)(struct nbs_conn *conn));

/* [conn] The rest is after done().
 * The next plaintext bytes, not consumed, at most FIRST_BYTES_MAX: how many, 0 at the end, -EAGAIN:
 * none yet.  For edge-triggered events: it reads until it has them or the socket is empty. */
ssize_t tls_peek(struct nbs_conn *conn, void *bytes, size_t len);
/* Reading ended with -EPROTO: counts and logs what the client did wrong, if it did. */
void tls_note_violation(const struct nbs_conn *conn);
/* Fills tls, alpn and server_name. */
void tls_about(const struct nbs_conn *conn, struct nbs_conn_about *about);
/* Frees conn->tls; also in the middle of a handshake. */
void tls_release(struct nbs_conn *conn);
extern const struct channel tls_channel;

#endif
