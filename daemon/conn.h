/*
 * Connections.  A struct nbs_conn is the record of one accepted connection, from accept() until
 * it is really closed, whoever works on it: it carries the client's address, its share of the
 * limits and its place in the counts.  It belongs to one I/O thread.
 *
 *   conn.c      makes, counts and ends records
 *   sniffer.c   looks at the first bytes and finds a service          (phase CONN_SNIFFING)
 *   handover.c  gives the socket away and watches for its end         (CONN_HANDED_OVER)
 *   stream.c    serves it as a byte stream                            (CONN_STREAM and after)
 */
#ifndef CONN_H
#define CONN_H

#include "io.h"

#include <netbird-signal/plugin.h>

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>

struct conns;
struct conn_limits;
struct metrics;
struct service;
struct services;

union conn_address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Where a connection came in; lives as long as any of its connections. */
struct conn_origin {
	char listener[32];
	bool admin;
	struct service *http2; /* NULL: nobody takes HTTP/2 here */
};

enum conn_phase {
	CONN_NEW,
	CONN_SNIFFING,
	CONN_HANDED_OVER,
	CONN_STREAM,
	CONN_FLUSHING,  /* conn_close(FLUSH): what is queued still goes out */
	CONN_LINGERING, /* all sent; the other side's end is awaited, so that nothing is reset */
	CONN_ENDED      /* closed() is due */
};

/* Why a connection was closed before any plugin had it; labels of a counter. */
enum conn_refusal {
	CONN_REFUSED_LIMIT,    /* too many from its address */
	CONN_REFUSED_SILENT,   /* handshake-timeout */
	CONN_REFUSED_LEFT,     /* closed or reset before it said what it wants */
	CONN_REFUSED_UNKNOWN,  /* no protocol that is known here */
	CONN_REFUSED_UNSERVED, /* a protocol that nobody serves on this listener */
	CONN_REFUSED_ERROR,    /* no memory, no descriptor, or the plugin did not want it */
	CONN_REFUSALS
};

/* From a member of the record to the record. */
#define CONN_OF(member_ptr, member) \
	((struct nbs_conn *)(void *)((char *)(member_ptr)-offsetof(struct nbs_conn, member)))

struct nbs_conn {
	struct io_source source; /* first: its fd is the connection's, or watches it */
	int watch_fd;            /* a duplicate, kept for handover.c; -1 without */
	struct conns *conns;
	struct io_thread *thread;
	const struct conn_origin *origin;
	struct nbs_conn *prev, *next; /* all of its thread */
	struct io_task task;          /* begin and end */
	struct io_task wake_task;
	struct io_timer timer;
	uint64_t id;
	union conn_address remote;
	unsigned char phase;
	atomic_bool waking; /* wake_task is on its way */

	/* CONN_STREAM and after. */
	bool paused, saw_eof, short_write, released;
	int error;
	const struct nbs_conn_ops *ops;
	void *cookie;
	unsigned char *queue; /* what the socket did not take yet; bounded */
	size_t queue_at, queue_end, queue_size;
};

int conns_open(struct conns **out, struct io *io, struct conn_limits *limits,
               struct services *services, struct metrics *metrics);
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
uint64_t conn_handshake_timeout(const struct nbs_conn *conn);
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
