/* wire.c - a socket, and OpenSSL's client on it; see wire.h. */
#include "wire.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wire_tls {
	SSL_CTX *ctx;
};

static int complain_tls(const char *what)
{
	char text[256];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	fprintf(stderr, "loadgen: TLS: %s: %s\n", what, text);
	ERR_clear_error();
	return -EPROTO;
}

/* --- TLS ------------------------------------------------------------------------------------ */

int wire_tls_new(struct wire_tls **out, const char *ca)
{
	static const unsigned char alpn[] = "\x02h2";
	struct wire_tls *tls;

	if ((tls = calloc(1, sizeof(*tls))) == NULL)
		return -ENOMEM;
	if ((tls->ctx = SSL_CTX_new(TLS_client_method())) == NULL)
		goto err;
	/* The one group that C core's server knows.  Were another first, its handshakes would take
	 * a message more (HelloRetryRequest) and could not be compared. */
	if (SSL_CTX_set1_groups_list(tls->ctx, "P-256") != 1 ||
	    SSL_CTX_set_alpn_protos(tls->ctx, alpn, sizeof(alpn) - 1) != 0 ||
	    SSL_CTX_load_verify_locations(tls->ctx, ca, NULL) != 1)
		goto err;
	SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(tls->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	*out = tls;
	return 0;
err:
	complain_tls(ca);
	wire_tls_free(tls);
	return -EINVAL;
}

void wire_tls_free(struct wire_tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->ctx);
	free(tls);
}

static int begin_tls(struct wire *w, const struct wire_tls *tls)
{
	if ((w->ssl = SSL_new(tls->ctx)) == NULL || SSL_set_fd(w->ssl, w->fd) != 1 ||
	    SSL_set_tlsext_host_name(w->ssl, "localhost") != 1 ||
	    SSL_set1_host(w->ssl, "localhost") != 1)
		return complain_tls("a connection");
	SSL_set_connect_state(w->ssl);
	return 0;
}

/* Of a call that returned n <= 0. */
static int tls_error(struct wire *w, int n)
{
	switch (SSL_get_error(w->ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return errno != 0 ? -errno : -ECONNRESET;
	default:
		return complain_tls("the connection");
	}
}

static int check_alpn(struct wire *w)
{
	const unsigned char *chosen;
	unsigned len;

	if (w->agreed)
		return 0;
	SSL_get0_alpn_selected(w->ssl, &chosen, &len);
	w->agreed = len == 2 && memcmp(chosen, "h2", 2) == 0;
	if (w->agreed)
		return 0;
	fprintf(stderr, "loadgen: TLS: the server did not choose h2\n");
	return -EPROTO;
}

static ssize_t recv_tls(struct wire *w, uint8_t *buf, size_t room)
{
	int n, r;

	ERR_clear_error();
	errno = 0;
	n = SSL_read(w->ssl, buf, room > INT_MAX ? INT_MAX : (int)room);
	if (n <= 0)
		return tls_error(w, n);
	return (r = check_alpn(w)) < 0 ? r : n;
}

static ssize_t send_tls(struct wire *w, const uint8_t *bytes, size_t len)
{
	int n;

	ERR_clear_error();
	errno = 0;
	n = SSL_write(w->ssl, bytes, len > INT_MAX ? INT_MAX : (int)len);
	if (n > 0)
		return n;
	return (n = tls_error(w, n)) == 0 ? -EPIPE : n;
}

/* --- either --------------------------------------------------------------------------------- */

ssize_t wire_recv(struct wire *w, uint8_t *buf, size_t room)
{
	ssize_t n;

	if (w->ssl != NULL)
		return recv_tls(w, buf, room);
	do
		n = recv(w->fd, buf, room, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* How many the socket took, until it takes no more. */
static ssize_t send_some(struct wire *w, const uint8_t *bytes, size_t len)
{
	size_t sent = 0;
	ssize_t n;

	while (sent < len) {
		if (w->ssl != NULL)
			n = send_tls(w, bytes + sent, len - sent);
		else if ((n = send(w->fd, bytes + sent, len - sent, MSG_NOSIGNAL)) < 0)
			n = -errno;
		if (n == -EAGAIN)
			break;
		if (n < 0 && n != -EINTR)
			return n;
		sent += n < 0 ? 0 : (size_t)n;
	}
	return (ssize_t)sent;
}

uint8_t *wire_append(struct wire *w, size_t len)
{
	size_t room = w->unsent_len + len;
	uint8_t *at;

	if (room > w->unsent_room) {
		if ((at = realloc(w->unsent, room)) == NULL)
			return NULL;
		w->unsent = at;
		w->unsent_room = room;
	}
	at = w->unsent + w->unsent_len;
	w->unsent_len = room;
	return at;
}

int wire_send(struct wire *w, const uint8_t *bytes, size_t len)
{
	ssize_t n = 0;
	uint8_t *kept;

	if (w->unsent_len == 0 && (n = send_some(w, bytes, len)) < 0)
		return (int)n;
	if ((size_t)n == len)
		return 0;
	if ((kept = wire_append(w, len - (size_t)n)) == NULL)
		return -ENOMEM;
	memcpy(kept, bytes + n, len - (size_t)n);
	return 1;
}

int wire_flush(struct wire *w)
{
	ssize_t n = send_some(w, w->unsent + w->unsent_at, w->unsent_len - w->unsent_at);

	if (n < 0)
		return (int)n;
	w->unsent_at += (size_t)n;
	if (w->unsent_at < w->unsent_len)
		return 1;
	free(w->unsent);
	w->unsent = NULL;
	w->unsent_at = w->unsent_len = w->unsent_room = 0;
	return 0;
}

/* --- beginning and end ---------------------------------------------------------------------- */

int wire_open(struct wire *w, const struct sockaddr_storage *addr, const struct wire_tls *tls)
{
	socklen_t len =
	    addr->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int one = 1;

	memset(w, 0, sizeof(*w));
	w->fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return -errno;
	if (setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
		return -errno;
	if (connect(w->fd, (const struct sockaddr *)addr, len) != 0 && errno != EINPROGRESS)
		return -errno;
	return tls != NULL ? begin_tls(w, tls) : 0;
}

void wire_close(struct wire *w)
{
	SSL_free(w->ssl);
	free(w->unsent);
	if (w->fd >= 0)
		close(w->fd);
	w->ssl = NULL;
	w->unsent = NULL;
	w->fd = -1;
}
