/* OpenSSL on a socket.  The socket is read by a BIO of ours: it meters (tls_session.h), never
 * raises SIGPIPE, and knows what OpenSSL's does not tell, the end of the socket from its errors. */
#include "tls_session.h"

#include "certs.h"
#include "clock.h"
#include "tls_slim.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Handshake messages after a handshake of TLS 1.3 (KeyUpdate): so many at once, and one more each
 * second.  Each costs us more than its sender.  TLS 1.2 has none but an attempt to renegotiate. */
#define STRAYS_MAX 32
#define STRAYS_REFILL_MS 1000

static BIO_METHOD *socket_method;
/* One BIO for each thread, with the session that OpenSSL is called for; one for each session would
 * be 200 bytes more. */
static BIO *bios[IO_INDEX_MAX];

static int socket_fd(BIO *bio)
{
	struct tls_session *s = BIO_get_data(bio);

	return s->conn->source.fd;
}

static ssize_t receive(int fd, char *bytes, size_t len)
{
	ssize_t n;

	do
		n = recv(fd, bytes, len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int socket_read(BIO *bio, char *bytes, int len)
{
	struct tls_session *s = BIO_get_data(bio);
	size_t ask = (size_t)len < s->turn_left ? (size_t)len : s->turn_left;
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (s->flooded || s->broke < 0)
		return -1;
	if (s->drained || ask == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	n = receive(socket_fd(bio), bytes, ask);
	s->drained = n < (ssize_t)ask;
	if (n > 0)
		s->turn_left -= (size_t)n;
	else if (n == 0)
		s->saw_end = true;
	else if (n == -EAGAIN)
		BIO_set_retry_read(bio);
	else
		s->broke = (int)n;
	return n < 0 ? -1 : (int)n;
}

static int socket_write(BIO *bio, const char *bytes, int len)
{
	struct tls_session *s = BIO_get_data(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (s->broke < 0)
		return -1;
	do
		n = send(socket_fd(bio), bytes, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (int)n;
	if (errno == EAGAIN)
		BIO_set_retry_write(bio);
	else
		s->broke = -errno;
	return -1;
}

static long socket_ctrl(BIO *bio, int cmd, long larg, void *parg)
{
	(void)bio;
	(void)larg;
	(void)parg;
	return cmd == BIO_CTRL_FLUSH; /* nothing is held back */
}

static int socket_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

int tls_session_prepare(void)
{
	if (socket_method != NULL)
		return 0;
	socket_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
	if (socket_method == NULL || BIO_meth_set_read(socket_method, socket_read) != 1 ||
	    BIO_meth_set_write(socket_method, socket_write) != 1 ||
	    BIO_meth_set_ctrl(socket_method, socket_ctrl) != 1 ||
	    BIO_meth_set_create(socket_method, socket_create) != 1)
		return -ENOMEM;
	return 0;
}

void tls_session_end(void)
{
	for (unsigned i = 0; i < IO_INDEX_MAX; i++) {
		BIO_free(bios[i]);
		bios[i] = NULL;
	}
}

/* Before any call of OpenSSL: the thread's BIO is the session's, which may have moved here. */
static int enter(struct tls_session *s)
{
	BIO **bio = &bios[io_thread_index(s->conn->thread)];

	ERR_clear_error();
	if (*bio == NULL && (*bio = BIO_new(socket_method)) == NULL)
		return -ENOMEM;
	BIO_set_data(*bio, s);
	if (SSL_get_rbio(s->ssl) != *bio && BIO_up_ref(*bio) == 1)
		SSL_set_bio(s->ssl, *bio, *bio);
	return 0;
}

int tls_session_open(struct tls_session *s, struct certs *certs)
{
	ERR_clear_error();
	if ((s->ssl = certs_new_ssl(certs)) == NULL)
		return -ENOMEM;
	if (s->conn->origin->http2 == NULL && !certs_forgo_http2(s->ssl))
		return -ENOMEM;
	SSL_set_accept_state(s->ssl);
	return enter(s);
}

void tls_session_shut(struct tls_session *s)
{
	SSL_free(s->ssl);
	s->ssl = NULL;
}

void tls_session_turn(struct tls_session *s, size_t bytes)
{
	s->turn_left = bytes;
	s->drained = false;
}

int tls_session_accept(struct tls_session *s, uint32_t *events)
{
	int r, err;

	BIO_set_data(bios[io_thread_index(s->conn->thread)], s);
	do {
		ERR_clear_error(); /* the session is of this thread since tls_session_open() */
		r = SSL_accept(s->ssl);
		err = SSL_get_error(s->ssl, r);
	} while (err == SSL_ERROR_WANT_READ && !s->drained && s->turn_left > 0);
	*events = err == SSL_ERROR_WANT_WRITE ? EPOLLOUT : EPOLLIN;
	if (r == 1)
		return 0;
	if (err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	return -EPROTO;
}

bool tls_session_challenged(const struct tls_session *s)
{
	return certs_answered_challenge(s->ssl);
}

/* A handshake message came that belongs to no handshake. */
static void stray(struct tls_session *s)
{
	uint64_t now = clock_ms();
	uint64_t forgiven = (now - s->strays_ms) / STRAYS_REFILL_MS;

	if (forgiven > 0) {
		s->strays = forgiven < s->strays ? (unsigned short)(s->strays - forgiven) : 0;
		s->strays_ms = now;
	}
	if (SSL_version(s->ssl) < TLS1_3_VERSION || ++s->strays > STRAYS_MAX)
		s->flooded = true;
}

static void message_passed(int sent, int version, int type, const void *bytes, size_t len, SSL *ssl,
                           void *session)
{
	(void)version;
	(void)bytes;
	(void)len;
	(void)ssl;
	if (!sent && type == SSL3_RT_HANDSHAKE)
		stray(session);
}

void tls_session_established(struct tls_session *s)
{
	tls_slim(s->ssl);
	ERR_clear_error();
	s->established = true;
	s->inside = true;
	s->strays_ms = clock_ms();
	SSL_set_msg_callback(s->ssl, message_passed);
	SSL_set_msg_callback_arg(s->ssl, s);
}

static int flooded(struct tls_session *s)
{
	s->violation = SSL_version(s->ssl) < TLS1_3_VERSION ? TLS_RENEGOTIATION : TLS_KEY_UPDATES;
	return -EPROTO;
}

/* OpenSSL gave up: because of what came, unless that was an alert or the end. */
static int broken(struct tls_session *s)
{
	int reason = ERR_GET_REASON(ERR_peek_last_error());

	if (s->broke < 0)
		return s->broke;
	if (!s->saw_end && reason < SSL_AD_REASON_OFFSET)
		s->violation = TLS_GARBAGE;
	return -EPROTO;
}

/* What a call that failed means.  *other: OpenSSL wants the opposite direction first. */
static int fault(struct tls_session *s, int ours, int theirs, bool *other)
{
	int err = SSL_get_error(s->ssl, 0);

	if (s->flooded)
		return flooded(s);
	if (err == theirs)
		*other = true;
	return err == ours || err == theirs ? -EAGAIN : broken(s);
}

static ssize_t read_once(struct tls_session *s, void *bytes, size_t len)
{
	size_t n;
	int r;

	if ((r = enter(s)) < 0)
		return r;
	if (SSL_read_ex(s->ssl, bytes, len, &n) == 1)
		return s->flooded ? flooded(s) : (ssize_t)n;
	if (SSL_get_error(s->ssl, 0) == SSL_ERROR_ZERO_RETURN)
		return 0;
	r = fault(s, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE, &s->read_wants_room);
	/* HTTP/2 and HTTP/1.1 say themselves where a message ends, so FIN alone will do. */
	return r != -EAGAIN && s->saw_end ? 0 : r;
}

ssize_t tls_session_read(struct tls_session *s, void *bytes, size_t len)
{
	ssize_t n;

	if (s->n_peeked > 0) {
		n = (ssize_t)(len < s->n_peeked ? len : s->n_peeked);
		memcpy(bytes, s->peeked, (size_t)n);
		s->n_peeked -= (unsigned char)n;
		memmove(s->peeked, s->peeked + n, s->n_peeked);
		return n;
	}
	s->read_wants_room = false;
	/* Without AUTO_RETRY OpenSSL comes back after each record that carried no bytes. */
	do
		n = read_once(s, bytes, len);
	while (n == -EAGAIN && !s->read_wants_room && !s->drained && s->turn_left > 0);
	return n;
}

ssize_t tls_session_write(struct tls_session *s, const void *bytes, size_t len)
{
	size_t n;
	int r;

	s->write_wants_bytes = false;
	if ((r = enter(s)) < 0)
		return r;
	if (SSL_write_ex(s->ssl, bytes, len, &n) == 1)
		return (ssize_t)n;
	return fault(s, SSL_ERROR_WANT_WRITE, SSL_ERROR_WANT_READ, &s->write_wants_bytes);
}

int tls_session_finish(struct tls_session *s)
{
	int r;

	if ((r = enter(s)) < 0)
		return r;
	r = SSL_shutdown(s->ssl);
	if (r < 0 && SSL_get_error(s->ssl, r) == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	return 0; /* sent, or it never can be; FIN says the rest */
}
