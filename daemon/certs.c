/* One SSL_CTX for a generation.  It has no certificate of its own: each handshake gets the pair
 * that its client asks for, and forgets it when it is over. */
#include "certs.h"

#include "log.h"
#include "tls_tickets.h"

#include <openssl/err.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of TLS 1.2 what keeps no static secret and is authenticated encryption (RFC 9113, 9.2.2). */
#define CIPHERS_12 "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20"
/* The hash that belongs to a cipher stays with its connection, and SHA-256 is the smaller one. */
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

/* Curves alone: OpenSSL's own list ends with finite fields, and a client that asks for the largest
 * (ffdhe8192) costs 180 ms of computing instead of one. */
#define GROUPS "X25519:P-256:P-384:P-521"

/* How much a client's certificate and its chain may take, in bytes. */
#define CLIENT_CHAIN_MAX (32 * 1024)

/* Of challenges, RFC 8737. */
#define CHALLENGE_PROTOCOL "acme-tls/1"

/* The pair that a name asks for: the first that has it, else the default.  NULL: there is none. */
static const struct certs_pair *find(const struct certs *certs, const char *name)
{
	for (size_t i = 0; name != NULL && i < certs->n_pairs; i++)
		if (certs->pairs[i]->alpn == NULL &&
		    certs_names_match(&certs->pairs[i]->names, name))
			return certs->pairs[i];
	return certs->standard;
}

static const struct certs_pair *pair_for(const struct certs *certs, SSL *ssl)
{
	const struct certs_pair *challenge = certs_hello_challenge(ssl);

	return challenge != NULL ? challenge
	                         : find(certs, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
}

static int choose_cert(SSL *ssl, void *certs)
{
	const struct certs_pair *pair = pair_for(certs, ssl);

	return pair != NULL && SSL_use_cert_and_key(ssl, pair->cert, pair->key, pair->chain, 1);
}

/* Accepts every name for which there is a certificate, so that a resumed session knows it as well.
 * Without a default not every name has one. */
static int accept_name(SSL *ssl, int *alert, void *arg)
{
	const struct certs *certs = arg;

	if (certs->standard == NULL && pair_for(certs, ssl) == NULL) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	return SSL_TLSEXT_ERR_OK;
}

/*
 * Ours are in the order in which we like them.  A client that offers neither is judged by its
 * first bytes, as is one that offers nothing.  But an authority that looks for a challenge which
 * does not stand must not take our certificate for an answer: it gets the alert of RFC 7301, 3.2.
 */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x02h2\x08http/1.1";
	const struct certs_pair *challenge = certs_hello_challenge(ssl);
	const unsigned skipped = certs_hello_without_http2(ssl) ? 3 : 0;
	unsigned char *chosen;

	(void)arg;
	if (challenge != NULL) {
		*out = (const unsigned char *)challenge->alpn;
		*out_len = (unsigned char)strlen(challenge->alpn);
		return SSL_TLSEXT_ERR_OK;
	}
	if (SSL_select_next_proto(&chosen, out_len, ours + skipped,
	                          (unsigned)sizeof(ours) - 1 - skipped, in,
	                          in_len) == OPENSSL_NPN_NEGOTIATED) {
		*out = chosen;
		return SSL_TLSEXT_ERR_OK;
	}
	return certs_hello_offers(in, in_len, CHALLENGE_PROTOCOL) ? SSL_TLSEXT_ERR_ALERT_FATAL
	                                                          : SSL_TLSEXT_ERR_NOACK;
}

static void set_callbacks(struct certs *certs)
{
	SSL_CTX *ctx = certs->ctx;

	SSL_CTX_set_cert_cb(ctx, choose_cert, certs);
	SSL_CTX_set_tlsext_servername_callback(ctx, accept_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, certs);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	if (certs->n_challenges > 0)
		SSL_CTX_set_client_hello_cb(ctx, certs_hello_look, certs);
}

/*
 * AUTO_RETRY off and reading ahead: tls_session.c meters what it reads, and one recv() brings as
 * many records as came.  A buffer lives only while it holds something.  The client's list of
 * ciphers comes second: it does not know that our table is short.
 */
static int set_up(struct certs *certs)
{
	SSL_CTX *ctx = certs->ctx;

	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_max_cert_list(ctx, CLIENT_CHAIN_MAX);
	if (SSL_CTX_set_min_proto_version(ctx, certs->config->min_version) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, CIPHERS_13) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, CIPHERS_12) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, GROUPS) != 1) {
		ERR_clear_error();
		return -EINVAL;
	}
	set_callbacks(certs);
	return 0;
}

/* Every client is to have a certificate of an authority.  Sessions that were verified by others are
 * not resumed. */
static int trust(SSL_CTX *ctx, const struct certs_config *config)
{
	if (SSL_CTX_set_session_id_context(ctx, config->authorities_digest,
	                                   sizeof(config->authorities_digest)) != 1)
		return -ENOMEM;
	for (int i = 0; i < sk_X509_num(config->authorities); i++) {
		X509 *cert = sk_X509_value(config->authorities, i);

		if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) != 1 ||
		    SSL_CTX_add_client_CA(ctx, cert) != 1)
			return -ENOMEM;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return 0;
}

/* Whether OpenSSL would take the pair in a handshake: it has rules of its own (short keys). */
static int try_pair(const struct certs *certs, struct certs_pair *pair)
{
	const char *reason;
	SSL *ssl;
	int ok;

	ERR_clear_error();
	if ((ssl = SSL_new(certs->ctx)) == NULL)
		return -ENOMEM;
	ok = SSL_use_cert_and_key(ssl, pair->cert, pair->key, pair->chain, 1);
	SSL_free(ssl);
	pair->tried = ok == 1;
	if (ok == 1)
		return 0;
	reason = ERR_reason_error_string(ERR_peek_last_error());
	log_error("tls", "%s: OpenSSL does not use this certificate: %s", pair->label,
	          reason != NULL ? reason : "no reason given");
	ERR_clear_error();
	return -EINVAL;
}

static void add(struct certs *certs, struct certs_pair *pair)
{
	certs->pairs[certs->n_pairs++] = certs_pair_ref(pair);
	if (pair->alpn != NULL)
		certs->n_challenges++;
	else if (certs->standard == NULL && !pair->named)
		certs->standard = pair;
}

static void add_provided(struct certs *certs, const struct certs_provided *provided, bool fallbacks)
{
	for (size_t i = 0; i < certs_provided_count(provided); i++) {
		struct certs_pair *pair = certs_provided_at(provided, i);

		if (pair->fallback == fallbacks)
			add(certs, pair);
	}
}

static int collect(struct certs *certs, const struct certs_provided *provided)
{
	const struct certs_config *config = certs->config;
	size_t n = config->n_pairs + certs_provided_count(provided);

	if ((certs->pairs = calloc(n + 1, sizeof(struct certs_pair *))) == NULL)
		return -ENOMEM;
	add_provided(certs, provided, false);
	for (size_t i = 0; i < config->n_pairs; i++)
		add(certs, config->pairs[i]);
	add_provided(certs, provided, true);
	return 0;
}

static int make_context(struct certs *certs, struct tls_tickets *tickets)
{
	int r;

	if ((certs->ctx = SSL_CTX_new(TLS_server_method())) == NULL)
		return -ENOMEM;
	if ((r = set_up(certs)) < 0)
		return r;
	for (size_t i = 0; i < certs->n_pairs; i++)
		if (!certs->pairs[i]->tried && (r = try_pair(certs, certs->pairs[i])) < 0)
			return r;
	tls_tickets_use(tickets, certs->ctx);
	return certs->config->authorities != NULL ? trust(certs->ctx, certs->config) : 0;
}

int certs_make(struct certs **out, struct certs_config *config,
               const struct certs_provided *provided, struct tls_tickets *tickets)
{
	struct certs *certs = calloc(1, sizeof(*certs));
	int r = -ENOMEM;

	if (certs == NULL)
		goto err;
	atomic_init(&certs->refs, 1);
	certs->config = certs_config_ref(config);
	certs->version = provided->version;
	if ((r = collect(certs, provided)) < 0 ||
	    (certs->n_pairs > 0 && (r = make_context(certs, tickets)) < 0))
		goto err;
	*out = certs;
	return 0;
err:
	if (r == -ENOMEM)
		log_error("tls", "no memory for the certificates");
	certs_unref(certs);
	return r;
}

/* The context may live on below an open connection, which has no use for the rest. */
void certs_unref(struct certs *certs)
{
	if (certs == NULL || atomic_fetch_sub(&certs->refs, 1) > 1)
		return;
	SSL_CTX_free(certs->ctx);
	for (size_t i = 0; i < certs->n_pairs; i++)
		certs_pair_unref(certs->pairs[i]);
	free(certs->pairs);
	certs_config_unref(certs->config);
	free(certs);
}

SSL *certs_new_ssl(struct certs *certs)
{
	return SSL_new(certs->ctx);
}

bool certs_serve(const struct certs *certs)
{
	return certs->n_pairs > certs->n_challenges;
}

static time_t expiry_of(const struct certs *certs, bool fallbacks)
{
	time_t first = 0;

	for (size_t i = 0; i < certs->n_pairs; i++) {
		const struct certs_pair *pair = certs->pairs[i];

		if (pair->alpn == NULL && pair->fallback == fallbacks &&
		    (first == 0 || pair->expires < first))
			first = pair->expires;
	}
	return first;
}

/* A fallback counts only while there is nothing better, or an alarm would ring for it. */
time_t certs_expiry(const struct certs *certs)
{
	time_t first = expiry_of(certs, false);

	return first != 0 ? first : expiry_of(certs, true);
}
