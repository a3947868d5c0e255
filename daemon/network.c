/* The ladder of the network's parts. */
#include "network.h"

#include "certstore.h"
#include "config.h"
#include "conn.h"
#include "conn_limits.h"
#include "host.h"
#include "http.h"
#include "io.h"
#include "listener.h"
#include "tls.h"
#include "tls_demand.h"

#include <errno.h>
#include <stdlib.h>

/* A handshake is a millisecond of computing; more threads than this would only add arenas. */
#define HANDSHAKE_THREADS_MAX 4

struct network {
	struct io *io;
	struct certstore *certs; /* the core's */
	const struct declared *declared;
	struct tls *tls;
	struct http *http;
	struct listeners *listeners;
	struct conn_limits *limits;
	struct conns *conns;
};

static int open_conns(struct network *n, const struct host_core *core)
{
	const struct conns_parts parts = {.io = n->io,
	                                  .limits = n->limits,
	                                  .services = core->services,
	                                  .tls = n->tls,
	                                  .http = n->http};

	return conns_open(&n->conns, &parts, core->metrics);
}

static int open_parts(struct network *n, const struct host_core *core, const struct config *cfg)
{
	const unsigned threads = core->limits.io_threads;
	int r;

	if ((r = io_open(&n->io, threads,
	                 threads < HANDSHAKE_THREADS_MAX ? threads : HANDSHAKE_THREADS_MAX)) < 0)
		goto err0;
	if ((r = tls_open(&n->tls, n->io, core->certs, core->metrics)) < 0)
		goto err1;
	if ((r = http_open(&n->http, n->io, core->routes, core->metrics, cfg)) < 0)
		goto err2;
	if ((r = listeners_open(&n->listeners, cfg, core->declared, core->services,
	                        core->metrics)) < 0)
		goto err3;
	if ((r = conn_limits_open(&n->limits, listeners_resume, n->listeners)) < 0)
		goto err4;
	if ((r = open_conns(n, core)) < 0)
		goto err5;
	return 0;
err5:
	conn_limits_close(n->limits);
err4:
	listeners_close(n->listeners);
err3:
	http_close(n->http);
err2:
	tls_close(n->tls);
err1:
	io_close(n->io);
err0:
	return r;
}

int network_open(struct network **out, const struct host_core *core, const struct config *cfg)
{
	struct network *n = calloc(1, sizeof(*n));
	int r;

	if (n == NULL)
		return -ENOMEM;
	n->certs = core->certs;
	n->declared = core->declared;
	if ((r = open_parts(n, core, cfg)) < 0) {
		free(n);
		return r;
	}
	*out = n;
	return 0;
}

void network_close(struct network *n)
{
	if (n == NULL)
		return;
	conns_close(n->conns);
	conn_limits_close(n->limits);
	listeners_close(n->listeners);
	http_close(n->http);
	tls_close(n->tls);
	io_close(n->io);
	free(n);
}

int network_prepare(struct network *n)
{
	return listeners_bind(n->listeners);
}

static int start_parts(struct network *n)
{
	int r;

	if ((r = io_start(n->io, conns_leave_thread, n->conns)) < 0)
		return r;
	if ((r = http_start(n->http)) < 0)
		goto err0;
	if ((r = listeners_start(n->listeners, n->io, n->limits, n->conns)) < 0)
		goto err1;
	return 0;
err1:
	http_stop(n->http);
err0:
	io_stop(n->io);
	return r;
}

int network_start(struct network *n, const struct config *cfg)
{
	int r;

	if (!certstore_serves(n->certs)) {
		if ((r = tls_demand_check(cfg)) < 0)
			return r;
		tls_demand_say(cfg, n->declared);
	}
	return start_parts(n);
}

void network_deafen(struct network *n)
{
	listeners_stop(n->listeners);
}

void network_stop(struct network *n)
{
	http_stop(n->http);
	io_stop(n->io);
}

void network_configure(struct network *n, const struct config *cfg, unsigned max_connections,
                       unsigned descriptors)
{
	conn_limits_configure(n->limits, max_connections,
	                      (unsigned)cfg->max_connections_per_address, descriptors);
	conns_configure(n->conns, (uint64_t)cfg->handshake_timeout);
	tls_configure(n->tls, (unsigned)cfg->max_handshakes);
}

void network_tick(struct network *n)
{
	listeners_tick(n->listeners);
}

int network_check(const struct config *cfg, const struct host_core *core)
{
	struct network *n;
	struct certs *certs;
	int r;

	if ((r = network_open(&n, core, cfg)) < 0)
		return r;
	if ((r = certstore_load(core->certs, cfg, &certs)) == 0) {
		if (!certs_serve(certs))
			tls_demand_warn(cfg);
		certs_unref(certs);
	}
	network_close(n);
	return r;
}
