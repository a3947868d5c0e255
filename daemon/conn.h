/*
 * Connections.  A struct nbs_conn is the record of one accepted connection, from accept() until
 * it is really closed, whoever works on it: it carries the client's address, its share of the
 * limits and its place in the counts.  It belongs to one I/O thread.
 *
 *   conn.c      makes, counts, moves and ends records
 *   proxy.c     reads the PROXY header, where a listener asks for one (phase CONN_OPENING)
 *   sniffer.c   looks at the first bytes and finds a service          (CONN_OPENING)
 *   tls.c       the TLS handshake; then sniffer.c looks again         (CONN_OPENING)
 *   handover.c  gives the socket away and watches for its end         (CONN_HANDED_OVER)
 *   stream.c    serves it as a byte stream                            (CONN_STREAM and after)
 *   pump.c      consumes a stream for a service that wants a socket
 *   carried.c   what a plugin carries inside a WebSocket, as a record of its own
 *   conn_protocol.c  counts what is spoken on them
 */
#ifndef CONN_H
#define CONN_H

#include "conn_protocol.h"
#include "io.h"

#include <netbird-signal/plugin.h>

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>

struct channel;
struct config_network;
struct conn_limits;
struct conns;
struct http;
struct metrics;
struct service;
struct services;
struct tls;
struct tls_session;

union conn_address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Where a connection came in; lives as long as any of its connections. */
struct conn_origin {
	char listener[32];
	unsigned class;                       /* NBS_PUBLIC, NBS_ADMIN or NBS_CHALLENGE */
	struct service *http2;                /* NULL: nobody takes HTTP/2 here */
	bool plaintext, tls;                  /* what is taken here; one of them at least */
	bool proxy_protocol;                  /* a PROXY header comes first */
	const struct config_network *trusted; /* who may send it */
	size_t n_trusted;
};

enum conn_phase {
	CONN_NEW,
	CONN_OPENING,
	CONN_HANDED_OVER,
	CONN_STREAM,
	CONN_FLUSHING,  /* conn_close(FLUSH): what is queued still goes out */
	CONN_LINGERING, /* all sent; the other side's end is awaited, so that nothing is reset */
	CONN_ENDED      /* closed() is due */
};

/* Why a connection was closed before any plugin had it; labels of a counter. */
enum conn_refusal {
	CONN_REFUSED_LIMIT,      /* too many from its address */
	CONN_REFUSED_SILENT,     /* handshake-timeout */
	CONN_REFUSED_LEFT,       /* closed or reset before it said what it wants */
	CONN_REFUSED_UNKNOWN,    /* no protocol that is known here */
	CONN_REFUSED_UNSERVED,   /* a protocol that nobody serves on this listener */
	CONN_REFUSED_PLAINTEXT,  /* the listener wants TLS */
	CONN_REFUSED_PROXY,      /* no PROXY header, or a wrong one */
	CONN_REFUSED_UNTRUSTED,  /* a PROXY header is due, but not from this address */
	CONN_REFUSED_TLS,        /* the handshake failed */
	CONN_REFUSED_HANDSHAKES, /* the handshake stalled while others waited for their turn */
	CONN_REFUSED_ERROR,      /* no memory, no descriptor, or the plugin did not want it */
	CONN_REFUSALS
};

/* From a member of the record to the record. */
#define CONN_OF(member_ptr, member) IO_OF(member_ptr, struct nbs_conn, member)

struct nbs_conn {
	struct io_source source; /* first: its fd is the connection's, or watches it */
	int watch_fd;            /* a duplicate, kept for handover.c; -1 without */
	struct conns *conns;
	struct io_thread *thread;
	const struct conn_origin *origin;
	struct nbs_conn *prev, *next; /* all of its thread */
	struct io_task task;          /* arriving on a thread, and the end */
	void (*arrived)(struct nbs_conn *conn);
	struct io_task wake_task;
	atomic_bool waking; /* wake_task is on its way; not among the other flags, as gcc reads such
	                       that are compared together at once, with what lies between them */
	struct io_timer timer;
	uint64_t id;
	union conn_address remote;     /* the client, also behind a PROXY header */
	union conn_address *proxy;     /* who sent the PROXY header, or NULL */
	struct tls_session *tls;       /* after the handshake, or NULL */
	struct nbs_conn_about *inside; /* of a record inside another connection: what that one is */
	unsigned char phase;
	unsigned char protocol, tls_version; /* conn_protocol.c: the gauge that it is in */
	bool counted_address;                /* conn_limits_address_leave() is owed */

	/* CONN_STREAM and after. */
	bool paused, saw_eof, short_write, released, reset;
	int error;
	const struct channel *channel;
	void *channel_state; /* carried.c */
	const struct nbs_conn_ops *ops;
	void *cookie;
	unsigned char *queue; /* what the socket did not take yet; bounded */
	size_t queue_at, queue_end, queue_size;
};

/* What connections are served by; all KEPT until conns_close(). */
struct conns_parts {
	struct io *io;
	struct conn_limits *limits;
	struct services *services;
	struct tls *tls;
	struct http *http;
};

int conns_open(struct conns **out, const struct conns_parts *parts, struct metrics *metrics);
/* After io_stop(). */
void conns_close(struct conns *c);
void conns_configure(struct conns *c, uint64_t handshake_timeout_ms); /* [any] */
/* [its thread] Ends every connection of the thread and what services keep for it; for io_start().
 */
void conns_leave_thread(void *conns, struct io_thread *t);

/* [any] A connection was accepted: fd and its duplicate watch_fd GIVEN, conn_limits_enter() has
 * been passed. */
void conn_accepted(struct conns *c, const struct conn_origin *origin, int fd, int watch_fd,
                   const union conn_address *remote);

/* The rest is [conn] and between the files above. */
const struct conns_parts *conn_parts(const struct nbs_conn *conn);
const struct conn_protocols *conn_protocols(const struct nbs_conn *conn);
uint64_t conn_handshake_timeout(const struct nbs_conn *conn);
/* Moves the record to another thread, where run(conn) is called; watched by nobody meanwhile, its
 * timer cancelled.  It must not be touched here afterwards. */
void conn_move(struct nbs_conn *conn, struct io_thread *to, void (*run)(struct nbs_conn *conn));
/* The client's address behind a proxy, in place of the one that it had; counts it.  -EUSERS: too
 * many of this address; -ENOMEM. */
int conn_set_client(struct nbs_conn *conn, const struct sockaddr *client);
/* A record inside another connection: it has its thread, origin and client, is in no limit and no
 * gauge, and does not keep the outer one.  source.fd is -1.  NULL: out of memory. */
struct nbs_conn *conn_inside(struct nbs_conn *outer);
/* Closes the duplicate; nobody will need it. */
void conn_drop_watch(struct nbs_conn *conn);
/* Closes the descriptors and gives the record back. */
void conn_release(struct nbs_conn *conn);
/* Counted as refused, and told to the log at debug. */
void conn_count_refused(struct nbs_conn *conn, enum conn_refusal why);
/* Both. */
void conn_refuse(struct nbs_conn *conn, enum conn_refusal why);

/* nbs_host.conn_about, [any] in adopt(), [conn] otherwise. */
void conn_about(struct nbs_conn *conn, struct nbs_conn_about *about);
/* "192.0.2.1:40000", "[2001:db8::1]:40000"; IPv4 in IPv6 is shown as IPv4. */
void conn_address_text(char text[static NBS_ADDR_MAX], const struct sockaddr *sa);

#endif
