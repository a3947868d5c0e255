/*
 * Session tickets without memory: what a client needs to resume is sealed with a key of ours and
 * kept by the client.  The keys change; those before are still accepted for as long again.  They
 * outlive a reload of the certificates, and are in no file: after a restart, clients handshake
 * in full.
 */
#ifndef TLS_TICKETS_H
#define TLS_TICKETS_H

#include <openssl/types.h>

#include <stdint.h>

/* How long a key seals, and how long it is still accepted after that. */
#define TLS_TICKETS_LIFETIME_MS (12 * 3600 * 1000u)

struct tls_tickets;

/* -ENOMEM, or -EIO: no random numbers. */
int tls_tickets_open(struct tls_tickets **out, uint64_t lifetime_ms);
/* After every SSL_CTX that uses it. */
void tls_tickets_close(struct tls_tickets *tickets);
/* The context seals and opens its tickets with these keys; KEPT. */
void tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *ctx);

#endif
