/*
 * A certificate authority's challenge (RFC 8737): a ClientHello that offers a protocol to which a
 * certificate is confined, and asks for its name.
 *
 * OpenSSL asks about a ClientHello in this order: the callback for all of it; then it looks for a
 * session to resume; then come the callbacks for the name, and, in TLS 1.3, for the protocol; then
 * the one for the certificate; in TLS 1.2 the protocol is last, and a session that is resumed skips
 * the certificate.  So only the first is early enough to keep a ticket and the client's certificate
 * out of it.  What it found is left at the SSL object; nothing is left there for other handshakes,
 * for whom that would be memory.
 */
#include "certs.h"

#include <string.h>

#define NAME_MAX_LEN 255

/* At an SSL object that is to get no HTTP/2, in the place of a challenge's pair. */
static char without_http2;

struct bytes {
	const unsigned char *at;
	size_t len;
};

/* Takes a block with its length before it, of `width` bytes; false: it is not whole. */
static bool take(struct bytes *from, size_t width, struct bytes *block)
{
	size_t len = 0;

	if (from->len < width)
		return false;
	for (size_t i = 0; i < width; i++)
		len = len << 8 | from->at[i];
	if (from->len - width < len)
		return false;
	*block = (struct bytes){from->at + width, len};
	from->at += width + len;
	from->len -= width + len;
	return true;
}

static bool extension(SSL *ssl, unsigned type, struct bytes *out)
{
	struct bytes all;

	return SSL_client_hello_get0_ext(ssl, type, &all.at, &all.len) == 1 && take(&all, 2, out);
}

/* The name that is asked for, as OpenSSL will read it: the first, if it is a host name. */
static bool asked_name(SSL *ssl, char name[static NAME_MAX_LEN + 1])
{
	struct bytes list, text;

	if (!extension(ssl, TLSEXT_TYPE_server_name, &list) || list.len < 1 ||
	    *list.at != TLSEXT_NAMETYPE_host_name)
		return false;
	list.at++;
	list.len--;
	if (!take(&list, 2, &text) || text.len == 0 || text.len > NAME_MAX_LEN ||
	    memchr(text.at, '\0', text.len) != NULL)
		return false;
	memcpy(name, text.at, text.len);
	name[text.len] = '\0';
	return true;
}

bool certs_hello_offers(const unsigned char *list, size_t len, const char *protocol)
{
	struct bytes all = {list, len}, one;

	while (take(&all, 1, &one))
		if (one.len == strlen(protocol) && memcmp(one.at, protocol, one.len) == 0)
			return true;
	return false;
}

static const struct certs_pair *find(const struct certs *certs, const struct bytes *protocols,
                                     const char *name)
{
	for (size_t i = 0; i < certs->n_pairs; i++) {
		const struct certs_pair *pair = certs->pairs[i];

		if (pair->alpn != NULL && certs_names_match(&pair->names, name) &&
		    certs_hello_offers(protocols->at, protocols->len, pair->alpn))
			return pair;
	}
	return NULL;
}

/* A second ClientHello, after a HelloRetryRequest, changes nothing of what the first one was. */
int certs_hello_look(SSL *ssl, int *alert, void *certs)
{
	const struct certs_pair *pair;
	char name[NAME_MAX_LEN + 1];
	struct bytes protocols;

	if (certs_hello_challenge(ssl) != NULL ||
	    !extension(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &protocols) ||
	    !asked_name(ssl, name) || (pair = find(certs, &protocols, name)) == NULL)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_INTERNAL_ERROR;
	if (SSL_set_app_data(ssl, (void *)pair) != 1)
		return SSL_CLIENT_HELLO_ERROR;
	/* The authority has no certificate of ours and wants no ticket, which would be good for a
	 * connection without that certificate. */
	SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
	SSL_set_options(ssl, SSL_OP_NO_TICKET);
	SSL_set_num_tickets(ssl, 0);
	return SSL_CLIENT_HELLO_SUCCESS;
}

const struct certs_pair *certs_hello_challenge(SSL *ssl)
{
	const void *left = SSL_get_app_data(ssl);

	return left != &without_http2 ? left : NULL;
}

bool certs_hello_without_http2(SSL *ssl)
{
	return SSL_get_app_data(ssl) == &without_http2;
}

bool certs_forgo_http2(SSL *ssl)
{
	return SSL_set_app_data(ssl, &without_http2) == 1;
}

bool certs_answered_challenge(SSL *ssl)
{
	return certs_hello_challenge(ssl) != NULL;
}
