/* Keys of session tickets (RFC 5077, 4: AES-CBC, then HMAC), made when one is due. */
#include "tls_tickets.h"

#include "clock.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 16 /* as OpenSSL has it */

struct key {
	unsigned char name[NAME_BYTES], aes[32], mac[32];
	uint64_t born_ms;
};

struct tls_tickets {
	uint64_t lifetime_ms;
	pthread_mutex_t lock; /* a leaf */
	struct key current, before;
};

static int new_key(struct key *key, uint64_t now)
{
	if (RAND_bytes(key->name, sizeof(key->name)) != 1 ||
	    RAND_priv_bytes(key->aes, sizeof(key->aes)) != 1 ||
	    RAND_priv_bytes(key->mac, sizeof(key->mac)) != 1)
		return -EIO;
	key->born_ms = now;
	return 0;
}

int tls_tickets_open(struct tls_tickets **out, uint64_t lifetime_ms)
{
	struct tls_tickets *t = calloc(1, sizeof(*t));
	int r;

	if (t == NULL)
		return -ENOMEM;
	t->lifetime_ms = lifetime_ms;
	if ((r = new_key(&t->current, clock_ms())) < 0 || (r = new_key(&t->before, 0)) < 0) {
		free(t);
		return r;
	}
	pthread_mutex_init(&t->lock, NULL);
	*out = t;
	return 0;
}

void tls_tickets_close(struct tls_tickets *t)
{
	if (t == NULL)
		return;
	pthread_mutex_destroy(&t->lock);
	OPENSSL_cleanse(t, sizeof(*t));
	free(t);
}

static bool over(const struct tls_tickets *t, const struct key *key, unsigned lifetimes,
                 uint64_t now)
{
	return now - key->born_ms >= lifetimes * t->lifetime_ms;
}

/* The key that seals now. */
static int sealing_key(struct tls_tickets *t, struct key *key)
{
	uint64_t now = clock_ms();
	struct key fresh;
	int r = 0;

	pthread_mutex_lock(&t->lock);
	if (over(t, &t->current, 1, now) && (r = new_key(&fresh, now)) == 0) {
		t->before = t->current;
		t->current = fresh;
		OPENSSL_cleanse(&fresh, sizeof(fresh));
	}
	*key = t->current;
	pthread_mutex_unlock(&t->lock);
	return r;
}

/* The key of that name, if it is still accepted.  *stale: a new ticket is due. */
static bool opening_key(struct tls_tickets *t, const unsigned char *name, struct key *key,
                        bool *stale)
{
	uint64_t now = clock_ms();
	bool found;

	pthread_mutex_lock(&t->lock);
	*key = memcmp(name, t->current.name, NAME_BYTES) == 0 ? t->current : t->before;
	found = memcmp(name, key->name, NAME_BYTES) == 0 && !over(t, key, 2, now);
	*stale = over(t, key, 1, now);
	pthread_mutex_unlock(&t->lock);
	return found;
}

static bool set_up(const struct key *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
                   EVP_MAC_CTX *mac, int sealing)
{
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac,
	                                      sizeof(key->mac)),
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
	    OSSL_PARAM_construct_end(),
	};

	return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv, sealing) == 1 &&
	       EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* OpenSSL asks: 1 goes on, 2 as well and the client gets a new ticket, 0 there is no such key
 * (opening: a full handshake), -1 it failed. */
static int ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac, int sealing)
{
	struct tls_tickets *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	bool stale = false, ok;
	struct key key;

	if (sealing) {
		if (sealing_key(t, &key) < 0 || RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1)
			return -1;
		memcpy(name, key.name, NAME_BYTES);
	} else if (!opening_key(t, name, &key, &stale)) {
		OPENSSL_cleanse(&key, sizeof(key));
		return 0;
	}
	ok = set_up(&key, iv, cipher, mac, sealing);
	OPENSSL_cleanse(&key, sizeof(key));
	if (!ok)
		return -1;
	return stale ? 2 : 1;
}

void tls_tickets_use(struct tls_tickets *t, SSL_CTX *ctx)
{
	SSL_CTX_set_app_data(ctx, t);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_key);
	SSL_CTX_set_timeout(ctx, (long)(t->lifetime_ms / 1000));
}
