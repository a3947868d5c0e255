/*
 * Connections of a listener with `proxy-protocol = required`: the PROXY header is read off before
 * anything else, and the client's address takes the place of the proxy's.
 */
#ifndef PROXY_H
#define PROXY_H

struct nbs_conn;

/* [conn] Watches the connection, its timer is armed; then next(conn), watched by nobody.  Refused:
 * an address that is not trusted, no header or a wrong one, too many connections of the client's
 * address.  Consumes exactly the header. */
void proxy_begin(struct nbs_conn *conn, void (*next)(struct nbs_conn *conn));

#endif
