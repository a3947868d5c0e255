/* A new connection's first bytes: looked at, not consumed, until it is clear who serves it. */
#ifndef SNIFFER_H
#define SNIFFER_H

struct nbs_conn;

/* [conn] Watches the connection; from here on it ends in a service or in conn_refuse(). */
void sniffer_begin(struct nbs_conn *conn);

#endif
