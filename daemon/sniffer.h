/* A new connection's first bytes: looked at, not consumed, until it is clear who serves it. */
#ifndef SNIFFER_H
#define SNIFFER_H

struct nbs_conn;

/* [conn] Watches the connection, whose timer is armed; from here on it ends in a service, in the
 * HTTP server or in conn_refuse(). */
void sniffer_begin(struct nbs_conn *conn);

#endif
