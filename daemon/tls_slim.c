/*
 * An idle connection of TLS 1.3 needs its keys and little else, but OpenSSL keeps for its life
 * what the handshake made: the session, whose ticket the client has, the certificates' settings,
 * and the ephemeral keys.  That is a fifth of what the connection takes.
 *
 * SSL_copy_session_id() takes the session and the settings of another SSL object in place of
 * its own; here that of one which has never spoken: no session, and settings that all share.  Both,
 * and the connection's context, must be of one SSL_METHOD, or OpenSSL would begin anew; hence a
 * context of the very method that the handshake chose.  TLS 1.2 needs its session (the server
 * name is in there).
 */
#include "tls_slim.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <pthread.h>
#include <stdbool.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static SSL *bare; /* KEPT until tls_slim_end(); only its reference counts change */

static SSL *make_bare(const SSL_METHOD *method)
{
	SSL_CTX *context = SSL_CTX_new(method);
	SSL *ssl = context != NULL ? SSL_new(context) : NULL;

	SSL_CTX_free(context); /* the SSL object has it */
	return ssl;
}

static SSL *bare_of(const SSL_METHOD *method)
{
	SSL *ssl;

	pthread_mutex_lock(&lock);
	if (bare == NULL)
		bare = make_bare(method);
	ssl = bare;
	pthread_mutex_unlock(&lock);
	return ssl != NULL && SSL_get_ssl_method(ssl) == method ? ssl : NULL;
}

/* Giving a key another type frees what it holds. */
static void forget_key(EVP_PKEY *key)
{
	EVP_PKEY_set_type(key, EVP_PKEY_RSA);
	EVP_PKEY_free(key);
}

/* TLS 1.2 asks its session for much; TLS 1.3 only for how large records may be, if the client
 * wanted them small (RFC 6066, 4). */
static bool needs_session(SSL *ssl)
{
	return SSL_version(ssl) != TLS1_3_VERSION ||
	       SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl)) !=
	           TLSEXT_max_fragment_length_DISABLED;
}

void tls_slim(SSL *ssl)
{
	SSL *like = NULL;
	EVP_PKEY *key;

	if (SSL_get_tmp_key(ssl, &key))
		forget_key(key);
	if (SSL_get_peer_tmp_key(ssl, &key))
		forget_key(key);
	if (!needs_session(ssl))
		like = bare_of(SSL_get_ssl_method(ssl));
	if (like == NULL || SSL_set_SSL_CTX(ssl, SSL_get_SSL_CTX(like)) == NULL ||
	    SSL_copy_session_id(ssl, like) != 1)
		SSL_certs_clear(ssl);
}

void tls_slim_end(void)
{
	SSL_free(bare);
	bare = NULL;
}
