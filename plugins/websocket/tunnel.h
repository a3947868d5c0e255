/*
 * The tunnel, /ws-proxy/signal: the bytes of a whole HTTP/2 connection in binary messages.
 */
#ifndef TUNNEL_H
#define TUNNEL_H

#include <netbird-signal/plugin.h>

/* Its arg is the struct transport. */
extern const struct nbs_ws_path tunnel_path;

#endif
