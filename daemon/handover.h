/*
 * The adopt() form of a connection service: the socket is given away, the record stays until the
 * socket has been closed.  The new owner tells nobody when that is, so a duplicate of the
 * descriptor waits in epoll for the shutdown() that comes before its close().
 */
#ifndef HANDOVER_H
#define HANDOVER_H

struct nbs_conn;
struct service;

/* [conn] The connection is watched by nobody any more; it is refused if the service does not
 * take it. */
void handover_begin(struct nbs_conn *conn, struct service *service);

#endif
