/* What an established TLS session can do without. */
#ifndef TLS_SLIM_H
#define TLS_SLIM_H

#include <openssl/types.h>

/* [any] The handshake is over; nothing of its state is asked for any more but version, ALPN and
 * server name.  What cannot be freed stays. */
void tls_slim(SSL *ssl);

/* [main] Frees what tls_slim() shares among sessions; no session may be left. */
void tls_slim_end(void);

#endif
