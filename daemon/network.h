/*
 * Everything between the wire and the plugins: threads, sockets, TLS, HTTP, limits, listeners;
 * opened and closed as one.  All [main].
 */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdint.h>

/* What a TLS handshake under way may take of memory, at most about (OpenSSL 3.0). */
#define NETWORK_HANDSHAKE_KIB 96

struct config;
struct host_core;
struct network;

/* What connections need; nothing runs yet.  `core` is KEPT, after the plugins registered with it.
 */
int network_open(struct network **out, const struct host_core *core, const struct config *cfg);
/* After network_stop(). */
void network_close(struct network *n);

/* Binds the listeners: while we still may. */
int network_prepare(struct network *n);
/* From here on other threads run.  On an error none does; -EINVAL after a line: a listener demands
 * TLS, and neither the configuration nor a plugin has brought a certificate so far. */
int network_start(struct network *n, const struct config *cfg);
/* Accepts no more. */
void network_deafen(struct network *n);
/* Ends every connection and thread; after the plugins have stopped. */
void network_stop(struct network *n);

/* Settings that a reload may change.  `descriptors` is what connections may take. */
void network_configure(struct network *n, const struct config *cfg, unsigned max_connections,
                       unsigned descriptors);
void network_tick(struct network *n);

/* For `check`: whether all that can be made without binding and threads, and the certificates can
 * be loaded. */
int network_check(const struct config *cfg, const struct host_core *core);

#endif
