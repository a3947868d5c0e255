/*
 * The gRPC transport on gRPC C core: what the daemon calls, and the life cycle.
 */
#include "arguments.h"
#include "config.h"
#include "health.h"
#include "links.h"
#include "metrics.h"
#include "server.h"
#include "transport.h"

#include <netbird-signal/plugin.h>

#include <errno.h>
#include <stdlib.h>

static int grpc_adopt(void *arg, int fd, struct nbs_conn *conn)
{
	struct transport *t = arg;
	int r = -ESHUTDOWN;

	pthread_rwlock_rdlock(&t->gate);
	if (t->server != NULL)
		r = server_adopt(t->server, fd, conn);
	pthread_rwlock_unlock(&t->gate);
	return r;
}

static const struct nbs_service service = {
    .size = sizeof(service),
    .protocol = "h2",
    .adopt = grpc_adopt,
};

static int grpc_init_plugin(struct nbs_host *host, void **self)
{
	struct transport *t = calloc(1, sizeof(*t));
	int r = -ENOMEM;

	if (t == NULL)
		goto err0;
	arguments_environment();
	t->host = host;
	t->limits.size = sizeof(t->limits);
	host->limits(host, &t->limits);
	if ((r = config_read(&t->config, host)) < 0)
		goto err1;
	if ((r = metrics_open(&t->metrics, host)) < 0)
		goto err1;
	if ((t->links = links_new()) == NULL) {
		r = -ENOMEM;
		goto err1;
	}
	pthread_rwlock_init(&t->gate, NULL);
	health_open(&t->health);
	pending_open(&t->calls);
	if ((r = host->service_register(host, &service, t)) < 0)
		goto err2;
	*self = t;
	return 0;
err2:
	pending_close(&t->calls);
	health_close(&t->health);
	pthread_rwlock_destroy(&t->gate);
	links_free(t->links);
err1:
	free(t);
err0:
	return r;
}

static int grpc_start(void *self)
{
	struct transport *t = self;
	struct server *server;
	int r;

	if ((r = server_start(&server, t)) < 0)
		return r;
	pthread_rwlock_wrlock(&t->gate);
	t->server = server;
	pthread_rwlock_unlock(&t->gate);
	t->host->log(t->host, NBS_INFO,
	             "worst case: connections, calls and messages being received memory_mib=%lld",
	             (long long)(arguments_memory_limit(&t->config, &t->limits) >> 20));
	return 0;
}

static int grpc_reload_prepare(void *self)
{
	struct transport *t = self;
	struct config file;
	int r;

	if ((r = config_read(&file, t->host)) < 0)
		return r;
	config_warn_restart(&t->config, &file, t->host);
	return 0;
}

static void grpc_drain(void *self)
{
	health_drain(self);
}

static int grpc_stop(void *self, unsigned grace_ms)
{
	struct transport *t = self;
	struct server *server;

	/* No connection comes between the last adopt() and the end. */
	pthread_rwlock_wrlock(&t->gate);
	server = t->server;
	t->server = NULL;
	pthread_rwlock_unlock(&t->gate);
	health_end(t);
	return server_stop(server, grace_ms);
}

static void grpc_destroy(void *self)
{
	struct transport *t = self;

	pending_close(&t->calls);
	health_close(&t->health);
	pthread_rwlock_destroy(&t->gate);
	links_free(t->links);
	free(t);
}

NBS_PLUGIN_NOTE;

NBS_EXPORT const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,          .name = "grpc",      .version = VERSION,
    .init = grpc_init_plugin, .start = grpc_start, .reload_prepare = grpc_reload_prepare,
    .drain = grpc_drain,      .stop = grpc_stop,   .destroy = grpc_destroy,
};
