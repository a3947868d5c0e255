/*
 * A stream's bytes through TLS.  epoll reports what the socket holds; what OpenSSL holds is known
 * to nobody else, so a task of the thread takes it up when reading stopped before that was empty.
 * The task reads nothing from the socket, so that it comes to an end.
 */
#include "channel.h"

#include "conn.h"
#include "tls.h"
#include "tls_session.h"

#include <openssl/ssl.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static bool reading(const struct tls_session *s)
{
	return s->wants_bytes && !s->stopped;
}

static void post_inside(struct tls_session *s)
{
	if (s->task_posted)
		return;
	s->task_posted = true;
	io_post(s->conn->thread, &s->task);
}

/* Watches for what is wanted now. */
static void update(struct tls_session *s)
{
	uint32_t events = 0;

	if (s->stopped)
		return;
	if ((s->wants_bytes && !s->read_wants_room) || (s->wants_room && s->write_wants_bytes))
		events |= EPOLLIN;
	if ((s->wants_room && !s->write_wants_bytes) || (s->wants_bytes && s->read_wants_room) ||
	    s->finishing)
		events |= EPOLLOUT;
	if (events != s->watched) {
		s->watched = events;
		io_rewatch(s->conn->thread, &s->conn->source, events);
	}
	if (s->wants_bytes && s->inside)
		post_inside(s);
}

/* The last thing of an event. */
static void read_some(struct tls_session *s, size_t from_socket)
{
	struct nbs_conn *conn = s->conn;
	unsigned char *buffer = io_read_buffer(conn->thread);
	size_t len = 0;
	ssize_t n;

	tls_session_turn(s, from_socket);
	do {
		n = tls_session_read(s, buffer + len, IO_READ_BUFFER - len);
		if (n > 0)
			len += (size_t)n;
	} while (n > 0 && len < IO_READ_BUFFER);
	s->inside = n > 0;
	if (n == -EPROTO)
		tls_note_violation(conn);
	if (len > 0)
		stream_bytes(conn, buffer, len);
	if (s->stopped)
		return;
	if (n == 0)
		stream_eof(conn);
	else if (n < 0 && n != -EAGAIN)
		stream_broke(conn, (int)n);
	else
		update(s);
}

static void inside(struct io_task *task)
{
	struct tls_session *s = IO_OF(task, struct tls_session, task);

	s->task_posted = false;
	if (s->conn == NULL)
		free(s);
	else if (reading(s) && s->inside)
		read_some(s, 0);
}

/* A reset or a broken route while nothing is read or written. */
static void broke(struct nbs_conn *conn)
{
	int err = 0;
	socklen_t len = sizeof(err);

	getsockopt(conn->source.fd, SOL_SOCKET, SO_ERROR, &err, &len);
	stream_broke(conn, -(err != 0 ? err : ECONNRESET));
}

static int finish(struct nbs_conn *conn)
{
	struct tls_session *s = conn->tls;

	s->finishing = tls_session_finish(s) == -EAGAIN;
	if (s->finishing) {
		update(s);
		return 0;
	}
	return shutdown(conn->source.fd, SHUT_WR) == 0 ? 0 : -errno;
}

static bool has_room(const struct tls_session *s, uint32_t events)
{
	return (events & EPOLLOUT) != 0 && !s->write_wants_bytes;
}

static void came(struct io_source *source, uint32_t events)
{
	struct nbs_conn *conn = (struct nbs_conn *)source;
	struct tls_session *s = conn->tls;
	bool bytes = (events & EPOLLIN) != 0;

	if (s->stopped)
		return;
	/* The connection may be gone after a call; what else there is will be reported again. */
	if (s->finishing && (events & EPOLLOUT)) {
		if (finish(conn) < 0)
			broke(conn);
		else
			update(s);
	} else if (s->wants_room && (has_room(s, events) || (s->write_wants_bytes && bytes))) {
		stream_room(conn);
	} else if (s->wants_bytes && (bytes || (s->read_wants_room && (events & EPOLLOUT)))) {
		read_some(s, TLS_SESSION_TURN);
	} else if (events & (EPOLLERR | EPOLLHUP)) {
		broke(conn);
	}
}

/* What OpenSSL read while the first bytes were looked at is delivered by the task. */
static int start(struct nbs_conn *conn)
{
	struct tls_session *s = conn->tls;
	int r;

	conn->source.event = came;
	s->task.run = inside;
	s->watched = EPOLLIN;
	s->wants_bytes = true;
	if ((r = io_watch(conn->thread, &conn->source, EPOLLIN)) < 0)
		return r;
	post_inside(s);
	return 0;
}

static ssize_t send_bytes(struct nbs_conn *conn, const void *bytes, size_t len)
{
	struct tls_session *s = conn->tls;
	size_t sent = 0;
	ssize_t n;

	while (sent < len) {
		n = tls_session_write(s, (const unsigned char *)bytes + sent, len - sent);
		if (n == -EAGAIN)
			break;
		if (n < 0)
			return n;
		sent += (size_t)n;
	}
	if (s->wants_room)
		update(s); /* what OpenSSL waits for may be another thing now */
	return (ssize_t)sent;
}

static void want(struct nbs_conn *conn, bool bytes, bool room)
{
	struct tls_session *s = conn->tls;

	s->wants_bytes = bytes;
	s->wants_room = room;
	update(s);
}

static void stop(struct nbs_conn *conn, bool abort)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};
	struct tls_session *s = conn->tls;

	if (abort)
		setsockopt(conn->source.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	s->stopped = true;
	io_unwatch(conn->thread, &conn->source);
}

const struct channel tls_channel = {
    .start = start, .send = send_bytes, .want = want, .finish = finish, .stop = stop};

ssize_t tls_peek(struct nbs_conn *conn, void *bytes, size_t len)
{
	struct tls_session *s = conn->tls;
	size_t have = s->n_peeked;
	ssize_t n = 1;

	if (len > sizeof(s->peeked))
		len = sizeof(s->peeked);
	tls_session_turn(s, TLS_SESSION_TURN);
	s->n_peeked = 0; /* or they would be read again */
	while (have < len && n > 0)
		if ((n = tls_session_read(s, s->peeked + have, len - have)) > 0)
			have += (size_t)n;
	s->n_peeked = (unsigned char)have;
	if (n == -EPROTO)
		tls_note_violation(conn);
	if (have == 0 || (n < 0 && n != -EAGAIN))
		return n; /* what came before the fault will never be a whole first word */
	len = have < len ? have : len;
	memcpy(bytes, s->peeked, len);
	return (ssize_t)len;
}

void tls_about(const struct nbs_conn *conn, struct nbs_conn_about *about)
{
	const unsigned char *alpn;
	const char *name;
	unsigned len;

	if (conn->tls == NULL || !conn->tls->established)
		return;
	snprintf(about->tls, sizeof(about->tls), "%s", SSL_get_version(conn->tls->ssl));
	SSL_get0_alpn_selected(conn->tls->ssl, &alpn, &len);
	snprintf(about->alpn, sizeof(about->alpn), "%.*s", (int)len, (const char *)alpn);
	if ((name = SSL_get_servername(conn->tls->ssl, TLSEXT_NAMETYPE_host_name)) != NULL)
		snprintf(about->server_name, sizeof(about->server_name), "%s", name);
}
