/*
 * For those who want a socket where there is only a stream (TLS, or the inside of a tunnel): the
 * pump consumes the stream and shovels between it and one end of a socket pair.  Bounded in both
 * directions: whoever is slow slows down the other.
 */
#ifndef PUMP_H
#define PUMP_H

struct channel;
struct nbs_conn;
struct service;

/* [conn] The connection is watched by nobody any more; it is refused if the service does not
 * take the other end. */
void pump_begin(struct nbs_conn *conn, const struct channel *channel, struct service *service);
/* [conn] The same, and the other end goes to the HTTP server as a record of its own. */
void pump_begin_http(struct nbs_conn *conn, const struct channel *channel);

#endif
