/*
 * For tests of certificates: handshakes in memory, with a generation of the store's.
 */
#ifndef TLS_TALK_CASE_H
#define TLS_TALK_CASE_H

#include "certs.h"
#include "tls_case.h"

/* A pair of SSL objects with memory between them, handshaken as far as it goes. */
struct talk {
	SSL *client, *server;
	int client_done, server_done;
};

static inline void turn(struct talk *t)
{
	if (t->client_done != 1)
		t->client_done = SSL_do_handshake(t->client);
	if (t->server_done != 1)
		t->server_done = SSL_do_handshake(t->server);
}

/* Before the handshake. */
static inline struct talk talk_begin(SSL_CTX *ctx, struct certs *certs, const char *name,
                                     SSL_SESSION *session)
{
	struct talk t = {.client = SSL_new(ctx), .server = certs_new_ssl(certs)};
	BIO *ours, *theirs;

	BIO_new_bio_pair(&ours, 1 << 17, &theirs, 1 << 17);
	SSL_set_bio(t.server, ours, ours);
	SSL_set_bio(t.client, theirs, theirs);
	SSL_set_accept_state(t.server);
	SSL_set_connect_state(t.client);
	if (name != NULL)
		SSL_set_tlsext_host_name(t.client, name);
	if (session != NULL)
		SSL_set_session(t.client, session);
	return t;
}

static inline void talk_on(struct talk *t)
{
	for (int i = 0; i < 6; i++)
		turn(t);
}

static inline struct talk talk(SSL_CTX *ctx, struct certs *certs, const char *name,
                               SSL_SESSION *session)
{
	struct talk t = talk_begin(ctx, certs, name, session);

	talk_on(&t);
	return t;
}

static inline bool both_done(const struct talk *t)
{
	return t->client_done == 1 && t->server_done == 1;
}

static inline void hang_up(struct talk *t)
{
	SSL_free(t->client);
	SSL_free(t->server);
	ERR_clear_error();
}

#endif
