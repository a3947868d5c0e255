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
#include "log.h"
#include "tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A handshake is a millisecond of computing; more threads than this would only add arenas. */
#define HANDSHAKE_THREADS_MAX 4

struct network {
	struct io *io;
	struct certstore *certs;
	struct tls *tls;
	struct http *http;
	struct listeners *listeners;
	struct conn_limits *limits;
	struct conns *conns;
};

static int open_tls(struct network *n, const struct host_core *core)
{
	int r;

	if ((r = certstore_open(&n->certs, core->metrics)) < 0)
		return r;
	if ((r = tls_open(&n->tls, n->io, n->certs, core->metrics)) < 0)
		certstore_close(n->certs);
	return r;
}

static void close_tls(struct network *n)
{
	tls_close(n->tls);
	certstore_close(n->certs);
}

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
	if ((r = open_tls(n, core)) < 0)
		goto err1;
	if ((r = http_open(&n->http, n->io, core->routes, core->metrics, cfg)) < 0)
		goto err2;
	if ((r = listeners_open(&n->listeners, cfg, core->services, core->metrics)) < 0)
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
	close_tls(n);
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
	close_tls(n);
	io_close(n->io);
	free(n);
}

/* A listener takes TLS unless it says otherwise, but not without a certificate. */
static void log_plaintext(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->n_listeners; i++) {
		if (cfg->listeners[i].tls == CONFIG_TLS_OFF)
			continue;
		log_info("tls", "no certificate ([tls] cert-file, cert-key): plaintext only");
		return;
	}
}

int network_prepare(struct network *n, const struct config *cfg)
{
	struct certs *certs;
	int r;

	if ((r = listeners_bind(n->listeners)) < 0 ||
	    (r = certstore_load(n->certs, cfg, &certs)) < 0)
		return r;
	certstore_use(n->certs, cfg, certs);
	if (certs == NULL)
		log_plaintext(cfg);
	return 0;
}

static void warn_unreadable(const struct config *cfg, const char *path)
{
	if (*path != '\0' && access(path, R_OK) < 0)
		log_warn("tls",
		         "%s cannot be read again by user %s, a renewed one will not be loaded: %s",
		         path, cfg->user, strerror(errno));
}

void network_warn_unreadable(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->n_pairs; i++) {
		warn_unreadable(cfg, cfg->pairs[i].cert_file);
		warn_unreadable(cfg, cfg->pairs[i].cert_key);
	}
	warn_unreadable(cfg, cfg->client_ca);
}

int network_start(struct network *n)
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

int network_load_certs(struct network *n, const struct config *cfg, struct certs **out)
{
	return certstore_load(n->certs, cfg, out);
}

void network_use_certs(struct network *n, const struct config *cfg, struct certs *certs)
{
	certstore_use(n->certs, cfg, certs);
}

void network_tick(struct network *n, uint64_t now_ms)
{
	listeners_tick(n->listeners);
	certstore_tick(n->certs, now_ms);
}

int network_check(const struct config *cfg, const struct host_core *core)
{
	struct network *n;
	struct certs *certs;
	int r;

	if ((r = network_open(&n, core, cfg)) < 0)
		return r;
	if ((r = certstore_load(n->certs, cfg, &certs)) == 0)
		certs_unref(certs);
	network_close(n);
	return r;
}
