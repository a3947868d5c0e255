/*
 * Everything between the wire and the plugins: threads, sockets, certificates, TLS, HTTP, limits,
 * listeners; opened and closed as one.  All [main].
 */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdint.h>

/* What a TLS handshake under way may take of memory, at most about (OpenSSL 3.0). */
#define NETWORK_HANDSHAKE_KIB 96

struct certs;
struct config;
struct host_core;
struct network;

/* What connections need; nothing runs yet.  `core` is KEPT, after the plugins registered with it.
 */
int network_open(struct network **out, const struct host_core *core, const struct config *cfg);
/* After network_stop(). */
void network_close(struct network *n);

/* Binds the listeners and reads the certificates: while we still may.  `cfg` is KEPT until the next
 * network_use_certs(). */
int network_prepare(struct network *n, const struct config *cfg);
/* After privileges were dropped: warns of certificates and keys that could not be read again. */
void network_warn_unreadable(const struct config *cfg);
/* From here on other threads run.  On an error none does. */
int network_start(struct network *n);
/* Accepts no more. */
void network_deafen(struct network *n);
/* Ends every connection and thread; after the plugins have stopped. */
void network_stop(struct network *n);

/* Settings that a reload may change.  `descriptors` is what connections may take. */
void network_configure(struct network *n, const struct config *cfg, unsigned max_connections,
                       unsigned descriptors);
/* A reload's certificates in two steps; see certstore.h. */
int network_load_certs(struct network *n, const struct config *cfg, struct certs **out);
void network_use_certs(struct network *n, const struct config *cfg, struct certs *certs);
void network_tick(struct network *n, uint64_t now_ms);

/* For `check`: whether all that can be made without binding and threads, and the certificates can be
 * loaded. */
int network_check(const struct config *cfg, const struct host_core *core);

#endif
