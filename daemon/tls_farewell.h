/* The end of a connection that was nothing but a handshake: the answer to a certificate
 * authority's challenge (RFC 8737, 4). */
#ifndef TLS_FAREWELL_H
#define TLS_FAREWELL_H

struct nbs_conn;

/* [conn] Says close_notify and FIN, waits a moment for the client's end, and releases the record.
 * The handshake is done, and the connection is watched on this thread. */
void tls_farewell_begin(struct nbs_conn *conn);

#endif
