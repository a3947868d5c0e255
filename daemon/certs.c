/* One SSL_CTX for a generation.  It has no certificate of its own: each handshake gets the pair
 * that its client asks for, and forgets it when it is over. */
#include "certs.h"

#include "config.h"
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

/* How much a client's certificate and its chain may take, in bytes. */
#define CLIENT_CHAIN_MAX (32 * 1024)

/* Every file of the configuration in one order, that in which certs_load() reads them. */
struct certs_stamp *certs_stamp_all(const struct config *cfg, size_t *n)
{
	struct certs_stamp *stamps = calloc(2 * cfg->n_pairs + 1, sizeof(*stamps));

	*n = 0;
	if (stamps == NULL)
		return NULL;
	for (size_t i = 0; i < cfg->n_pairs; i++) {
		certs_file_stamp(cfg->pairs[i].cert_file, &stamps[(*n)++]);
		certs_file_stamp(cfg->pairs[i].cert_key, &stamps[(*n)++]);
	}
	if (cfg->client_ca[0] != '\0')
		certs_file_stamp(cfg->client_ca, &stamps[(*n)++]);
	return stamps;
}

/* The pair that a name asks for: the first in the order of the file, else the default. */
static const struct certs_pair *find(const struct certs *certs, const char *name)
{
	if (name != NULL)
		for (size_t i = 0; i < certs->n_pairs; i++)
			if (certs_names_match(&certs->pairs[i].names, name))
				return &certs->pairs[i];
	return &certs->pairs[0];
}

static int choose_cert(SSL *ssl, void *arg)
{
	const struct certs_pair *pair =
	    find(arg, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));

	return SSL_use_cert_and_key(ssl, pair->cert, pair->key, pair->chain, 1);
}

/* Accepts every name, so that a resumed session knows it as well. */
static int accept_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl;
	(void)alert;
	(void)arg;
	return SSL_TLSEXT_ERR_OK;
}

/* Ours are in the order in which we like them.  A client that offers neither is judged by its
 * first bytes, as is one that offers nothing. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x02h2\x08http/1.1";
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/*
 * AUTO_RETRY off and reading ahead: tls_session.c meters what it reads, and one recv() brings as
 * many records as came.  A buffer lives only while it holds something.  The client's list of
 * ciphers comes second: it does not know that our table is short.
 */
/* Curves alone: OpenSSL's own list ends with finite fields, and a client that asks for the largest
 * (ffdhe8192) costs 180 ms of computing instead of one. */
#define GROUPS "X25519:P-256:P-384:P-521"

static int set_up(struct certs *certs, const struct config *cfg)
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
	SSL_CTX_set_cert_cb(ctx, choose_cert, certs);
	SSL_CTX_set_tlsext_servername_callback(ctx, accept_name);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, cfg->tls_min_version) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, CIPHERS_13) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, CIPHERS_12) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, GROUPS) != 1) {
		ERR_clear_error();
		return -EINVAL;
	}
	return 0;
}

/* Whether OpenSSL would take the pair in a handshake: it has rules of its own (short keys). */
static int try_pair(struct certs *certs, const struct certs_pair *pair, const char *path)
{
	const char *reason;
	SSL *ssl;
	int ok;

	ERR_clear_error();
	if ((ssl = SSL_new(certs->ctx)) == NULL)
		return -ENOMEM;
	ok = SSL_use_cert_and_key(ssl, pair->cert, pair->key, pair->chain, 1);
	SSL_free(ssl);
	if (ok == 1)
		return 0;
	reason = ERR_reason_error_string(ERR_peek_last_error());
	log_error("tls", "%s: OpenSSL does not use this certificate: %s", path,
	          reason != NULL ? reason : "no reason given");
	ERR_clear_error();
	return -EINVAL;
}

static int load_pairs(struct certs *certs, const struct config *cfg)
{
	const struct config_pair *conf;
	struct certs_pair *pair;
	int r;

	for (size_t i = 0; i < cfg->n_pairs; i++) {
		conf = &cfg->pairs[i];
		pair = &certs->pairs[certs->n_pairs++];
		r = certs_load_pair(pair, conf, &certs->stamps[certs->n_stamps]);
		certs->n_stamps += 2;
		if (r < 0 || (r = try_pair(certs, pair, conf->cert_file)) < 0)
			return r;
	}
	return 0;
}

static int load_all(struct certs *certs, const struct config *cfg, struct tls_tickets *tickets)
{
	int r;

	if ((certs->pairs = calloc(cfg->n_pairs, sizeof(*certs->pairs))) == NULL ||
	    (certs->stamps = calloc(2 * cfg->n_pairs + 1, sizeof(*certs->stamps))) == NULL ||
	    (certs->ctx = SSL_CTX_new(TLS_server_method())) == NULL)
		return -ENOMEM;
	if ((r = set_up(certs, cfg)) < 0 || (r = load_pairs(certs, cfg)) < 0)
		return r;
	tls_tickets_use(tickets, certs->ctx);
	if (cfg->client_ca[0] == '\0')
		return 0;
	return certs_load_authorities(certs->ctx, cfg->client_ca,
	                              &certs->stamps[certs->n_stamps++]);
}

int certs_load(struct certs **out, const struct config *cfg, struct tls_tickets *tickets)
{
	struct certs *certs = calloc(1, sizeof(*certs));
	int r;

	if (certs == NULL)
		return -ENOMEM;
	atomic_init(&certs->refs, 1);
	if ((r = load_all(certs, cfg, tickets)) < 0) {
		if (r == -ENOMEM)
			log_error("tls", "no memory for the certificates");
		certs_unref(certs);
		return r;
	}
	*out = certs;
	return 0;
}

/* The context may live on below an open connection, which has no use for the rest. */
void certs_unref(struct certs *certs)
{
	if (certs == NULL || atomic_fetch_sub(&certs->refs, 1) > 1)
		return;
	for (size_t i = 0; i < certs->n_pairs; i++)
		certs_load_free(&certs->pairs[i]);
	SSL_CTX_free(certs->ctx);
	free(certs->pairs);
	free(certs->stamps);
	free(certs);
}

SSL *certs_new_ssl(struct certs *certs)
{
	return SSL_new(certs->ctx);
}

time_t certs_expiry(const struct certs *certs)
{
	time_t first = certs->pairs[0].expires;

	for (size_t i = 1; i < certs->n_pairs; i++)
		if (certs->pairs[i].expires < first)
			first = certs->pairs[i].expires;
	return first;
}
