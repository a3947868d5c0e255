/*
 * What a plugin carries inside a WebSocket (nbs_carrier_ops), as a connection: a record inside the
 * WebSocket's, on its thread, with a channel that calls the plugin.
 */
#ifndef CARRIED_H
#define CARRIED_H

#include <netbird-signal/plugin.h>

/* The functions of nbs_host; see there. */
int carried_begin(struct nbs_ws *ws, const char *protocol, const struct nbs_carrier_ops *ops,
                  void *cookie, struct nbs_conn **inner);
void carried_bytes(struct nbs_conn *inner, const void *bytes, size_t len);
void carried_writable(struct nbs_conn *inner);
void carried_end(struct nbs_conn *inner, int err);

#endif
