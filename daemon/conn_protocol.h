/*
 * What is spoken on the connections that are open: one gauge for each protocol and version of TLS.
 * A connection is in exactly one of them from accept() until its record is given back.  A record
 * inside another is in none, unless the outer one has handed its place on.  [conn]
 */
#ifndef CONN_PROTOCOL_H
#define CONN_PROTOCOL_H

struct conn_protocols;
struct metrics;
struct nbs_conn;
struct nbs_metric;

enum conn_protocol {
	CONN_UNCOUNTED, /* a record that stands for no connection of its own */
	CONN_UNDECIDED, /* it has not said what it wants */
	CONN_H2,
	CONN_HTTP1,
	CONN_WEBSOCKET,
	CONN_PROTOCOLS
};

enum conn_tls { CONN_NO_TLS, CONN_TLS_1_2, CONN_TLS_1_3, CONN_TLS_VERSIONS };

struct conn_protocols {
	struct nbs_metric *open[CONN_PROTOCOLS][CONN_TLS_VERSIONS];
};

/* [main] */
int conn_protocol_register(struct conn_protocols *protocols, struct metrics *metrics);

/* Accepted. */
void conn_protocol_begin(struct nbs_conn *conn);
/* Its TLS handshake is done. */
void conn_protocol_secured(struct nbs_conn *conn);
void conn_protocol_decided(struct nbs_conn *conn, enum conn_protocol protocol);
/* `inside` stands for the connection from now on, as it knows better what is spoken there. */
void conn_protocol_hand_on(struct nbs_conn *conn, struct nbs_conn *inside);
void conn_protocol_end(struct nbs_conn *conn);

#endif
