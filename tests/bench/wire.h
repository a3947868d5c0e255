/*
 * wire.h - the bytes of one connection to a server on this machine: a plain socket, or TLS on it
 * with ALPN h2.  One thread.  Errors are negative errno and for the caller to report, who knows
 * the peer; only what OpenSSL has to say of one is already on stderr.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct wire_tls; /* what all connections with TLS share */

/* `ca`: a PEM file; a server must have a certificate of these, for "localhost".  -ENOMEM; -EINVAL:
 * the file is no good. */
int wire_tls_new(struct wire_tls **tls, const char *ca);
void wire_tls_free(struct wire_tls *tls);

/* The caller keeps it and moves it nowhere. */
struct wire {
	int fd;
	struct ssl_st *ssl; /* NULL: plain */
	bool agreed;        /* TLS: the server has chosen h2 */
	uint8_t *unsent;    /* what the socket did not take */
	size_t unsent_at, unsent_len, unsent_room;
};

/* Begins to connect; with `tls` the handshake happens in whatever is called next. */
int wire_open(struct wire *w, const struct sockaddr_storage *addr, const struct wire_tls *tls);
/* Without a word to the server.  Also after a failed wire_open(). */
void wire_close(struct wire *w);

/* 1 to `room` bytes, 0 at the end, -EAGAIN: none now, and the socket becomes readable (edge).
 * Plain: less than `room` means that -EAGAIN is next. */
ssize_t wire_recv(struct wire *w, uint8_t *buf, size_t room);
/* Sends now; the rest is kept.  0: the socket took all; 1: wire_flush() when it is writable, with
 * TLS also when it is readable. */
int wire_send(struct wire *w, const uint8_t *bytes, size_t len);
/* The same for what was kept. */
int wire_flush(struct wire *w);
/* `len` bytes to be filled in by the caller, which the next wire_flush() sends after all others.
 * NULL: no memory. */
uint8_t *wire_append(struct wire *w, size_t len);

#endif
