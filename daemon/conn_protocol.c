/* A record moves between gauges on its own thread; only the gauges are shared. */
#include "conn_protocol.h"

#include "conn.h"
#include "metrics.h"
#include "tls.h"

#include <stdio.h>
#include <string.h>

static const char *const protocol_words[CONN_PROTOCOLS] = {[CONN_UNDECIDED] = "undecided",
                                                           [CONN_H2] = "h2",
                                                           [CONN_HTTP1] = "http1",
                                                           [CONN_WEBSOCKET] = "websocket"};
static const char *const tls_words[CONN_TLS_VERSIONS] = {
    [CONN_NO_TLS] = "none", [CONN_TLS_1_2] = "1.2", [CONN_TLS_1_3] = "1.3"};

static int add(struct conn_protocols *protocols, struct metrics *metrics, unsigned protocol,
               unsigned tls)
{
	char labels[64];
	const struct nbs_metric_desc desc = {
	    .size = sizeof(desc),
	    .kind = NBS_GAUGE,
	    .name = "protocol_connections_open",
	    .help = "Connections that are open now, by what they speak and by their TLS version.",
	    .labels = labels,
	};

	snprintf(labels, sizeof(labels), "protocol=\"%s\",tls=\"%s\"", protocol_words[protocol],
	         tls_words[tls]);
	return metrics_register(metrics, &desc, &protocols->open[protocol][tls]);
}

int conn_protocol_register(struct conn_protocols *protocols, struct metrics *metrics)
{
	int r;

	for (unsigned protocol = CONN_UNDECIDED; protocol < CONN_PROTOCOLS; protocol++)
		for (unsigned tls = 0; tls < CONN_TLS_VERSIONS; tls++)
			if ((r = add(protocols, metrics, protocol, tls)) < 0)
				return r;
	return 0;
}

static void record(const struct nbs_conn *conn, double value)
{
	if (conn->protocol != CONN_UNCOUNTED)
		metrics_record(conn_protocols(conn)->open[conn->protocol][conn->tls_version],
		               value);
}

static void move(struct nbs_conn *conn, unsigned protocol, unsigned tls)
{
	if (conn->protocol == protocol && conn->tls_version == tls)
		return;
	record(conn, -1);
	conn->protocol = (unsigned char)protocol;
	conn->tls_version = (unsigned char)tls;
	record(conn, 1);
}

void conn_protocol_begin(struct nbs_conn *conn)
{
	move(conn, CONN_UNDECIDED, CONN_NO_TLS);
}

void conn_protocol_secured(struct nbs_conn *conn)
{
	struct nbs_conn_about about = {0};

	tls_about(conn, &about);
	move(conn, conn->protocol, strcmp(about.tls, "TLSv1.2") == 0 ? CONN_TLS_1_2 : CONN_TLS_1_3);
}

void conn_protocol_decided(struct nbs_conn *conn, enum conn_protocol protocol)
{
	if (conn->protocol != CONN_UNCOUNTED)
		move(conn, protocol, conn->tls_version);
}

void conn_protocol_hand_on(struct nbs_conn *conn, struct nbs_conn *inside)
{
	inside->protocol = conn->protocol;
	inside->tls_version = conn->tls_version;
	conn->protocol = CONN_UNCOUNTED;
}

void conn_protocol_end(struct nbs_conn *conn)
{
	move(conn, CONN_UNCOUNTED, conn->tls_version);
}
