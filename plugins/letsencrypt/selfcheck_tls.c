/* The self-check of tls-alpn-01: a handshake as the CA makes it (RFC 8737, 3), with libcurl to find
 * the server and OpenSSL to talk to it. */
#include "challenges_private.h"

#include "identifiers.h"
#include "probe.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WHAT 200

/* A connected socket of our own, or a negative errno with what came instead. */
static int connect_to(struct probe *p, unsigned port, char *what)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	int r;

	if (curl_easy_setopt(p->easy, CURLOPT_CONNECT_ONLY, 1L) != CURLE_OK)
		return -ENOMEM;
	if ((r = probe_run(p)) < 0)
		return r;
	if (p->result != CURLE_OK) {
		probe_tell(p, port, what, WHAT);
		return -EHOSTUNREACH;
	}
	curl_easy_getinfo(p->easy, CURLINFO_ACTIVESOCKET, &fd);
	r = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* libcurl closes its own */
	return r < 0 ? -errno : r;
}

/* What SSL_connect() ended with, for a person. */
static int tell_handshake(int r, unsigned port, char *what)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(e);

	snprintf(what, WHAT,
	         "the handshake failed (%s): another server answers there; make port %u "
	         "lead to this one",
	         reason != NULL ? reason
	         : r == 0       ? "it was refused"
	                        : "the connection was closed",
	         port);
	return -EHOSTUNREACH;
}

static int handshake(const struct selfcheck *s, SSL *ssl, int fd, int64_t until, char *what)
{
	for (;;) {
		struct pollfd p[] = {{.fd = fd}, {.fd = s->cancel->fd, .events = POLLIN}};
		int r, want, left = cancel_left(until);

		ERR_clear_error();
		if ((r = SSL_connect(ssl)) == 1)
			return 0;
		want = SSL_get_error(ssl, r);
		if (want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE)
			return tell_handshake(r, s->settings->tls_port, what);
		if (left == 0) {
			snprintf(what, WHAT,
			         "no answer to the handshake in time; see what answers at "
			         "port %u",
			         s->settings->tls_port);
			return -EHOSTUNREACH;
		}
		p[0].events = want == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
		poll(p, 2, left);
		if (cancel_is_set(s->cancel))
			return -ECANCELED;
	}
}

/* Whether the extension holds the digest, as the CA will look for it. */
static bool has_digest(const X509 *cert, const char *key_authorization)
{
	unsigned char want[2 + SHA256_DIGEST_LENGTH] = {V_ASN1_OCTET_STRING, SHA256_DIGEST_LENGTH};
	ASN1_OBJECT *oid = OBJ_txt2obj(KEYS_ACME_IDENTIFIER, 1);
	int at = oid != NULL ? X509_get_ext_by_OBJ(cert, oid, -1) : -1;
	X509_EXTENSION *extension = at >= 0 ? X509_get_ext(cert, at) : NULL;
	const ASN1_OCTET_STRING *value;

	ASN1_OBJECT_free(oid);
	if (extension == NULL || X509_EXTENSION_get_critical(extension) != 1)
		return false;
	value = X509_EXTENSION_get_data(extension);
	keys_authorization_digest(key_authorization, want + 2);
	return ASN1_STRING_length(value) == (int)sizeof(want) &&
	       memcmp(ASN1_STRING_get0_data(value), want, sizeof(want)) == 0;
}

static int judge(const struct selfcheck *s, const SSL *ssl, char *what)
{
	const struct acme_challenge *c = s->challenge;
	X509 *cert = SSL_get0_peer_certificate(ssl);
	const unsigned char *protocol;
	unsigned len;

	SSL_get0_alpn_selected(ssl, &protocol, &len);
	if (len != strlen(TLSALPN01_PROTOCOL) || memcmp(protocol, TLSALPN01_PROTOCOL, len) != 0)
		snprintf(what, WHAT,
		         "another TLS server answers there, without " TLSALPN01_PROTOCOL
		         "; make port %u lead to this one, with TLS passed through",
		         s->settings->tls_port);
	else if (cert == NULL || !identifiers_match(cert, &c->identifier, 1) ||
	         !has_digest(cert, c->key_authorization))
		snprintf(what, WHAT,
		         "another certificate came: another server answers there; make port "
		         "%u lead to this one",
		         s->settings->tls_port);
	else
		return 0;
	return -EHOSTUNREACH;
}

static int ask(const struct selfcheck *s, SSL *ssl, int fd, int64_t until, char *what)
{
	static const unsigned char protocols[] = "\x0a" TLSALPN01_PROTOCOL;
	char name[NBS_NAME_MAX];
	int r;

	if ((r = keys_server_name(&s->challenge->identifier, name, sizeof(name))) < 0)
		return r;
	if (SSL_set_fd(ssl, fd) != 1 || SSL_set_tlsext_host_name(ssl, name) != 1 ||
	    SSL_set_alpn_protos(ssl, protocols, sizeof(protocols) - 1) != 0)
		return -ENOMEM;
	if ((r = handshake(s, ssl, fd, until, what)) < 0)
		return r;
	r = judge(s, ssl, what);
	SSL_shutdown(ssl);
	return r;
}

static int ask_with(const struct selfcheck *s, int fd, int64_t until, char *what)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = NULL;
	int r = -ENOMEM;

	if (ctx != NULL && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	    (ssl = SSL_new(ctx)) != NULL) {
		/* The certificate is compared, not trusted. */
		SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
		r = ask(s, ssl, fd, until, what);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return r;
}

int selfcheck_tls(struct selfcheck *s)
{
	struct probe p = {.cancel = s->cancel,
	                  .until =
	                      cancel_now() + (int64_t)s->settings->self_check_timeout_s * 1000};
	char what[WHAT] = "";
	int fd, r = probe_open(&p, s->challenge->identifier.value, s->settings->tls_port, "/");

	if (r < 0)
		return r;
	if ((r = fd = connect_to(&p, s->settings->tls_port, what)) >= 0) {
		r = ask_with(s, fd, p.until, what);
		close(fd);
	}
	if (r == -EHOSTUNREACH)
		snprintf(s->why, sizeof(s->why), "tls-alpn-01: %s at port %u (%s): %s",
		         s->challenge->identifier.value, s->settings->tls_port,
		         p.addresses[0] != '\0' ? p.addresses : "no address", what);
	probe_close(&p);
	return r;
}
