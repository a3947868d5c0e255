/*
 * The light transport, /signal/ws: a peer, from its upgrade to its end.  docs/WEBSOCKET.md is
 * what clients know of it.
 */
#ifndef LIGHT_H
#define LIGHT_H

#include <netbird-signal/plugin.h>

/* Its arg is the struct transport. */
extern const struct nbs_ws_path light_path;

#endif
