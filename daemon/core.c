/* The ladder of the parts that plugins register with. */
#include "core.h"

#include "certstore.h"
#include "commands.h"
#include "config.h"
#include "declared.h"
#include "descriptors.h"
#include "drops.h"
#include "forwarder.h"
#include "health_routes.h"
#include "io.h"
#include "log.h"
#include "metrics.h"
#include "ready.h"
#include "routes.h"
#include "service.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>

static unsigned io_threads(const struct config *cfg)
{
	cpu_set_t allowed;
	int n = 1;

	if (cfg->io_threads > 0)
		return (unsigned)cfg->io_threads;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
		n = CPU_COUNT(&allowed);
	return n > IO_THREADS_MAX ? IO_THREADS_MAX : (unsigned)n;
}

/* A size of the configuration; more than there can be is as much as there can be. */
static size_t size_of(int64_t bytes)
{
	return (uint64_t)bytes > SIZE_MAX ? SIZE_MAX : (size_t)bytes;
}

struct registry_settings core_peers_settings(const struct config *cfg)
{
	return (struct registry_settings){
	    .mailbox_messages = (size_t)cfg->mailbox_messages,
	    .mailbox_bytes = size_of(cfg->mailbox_bytes),
	    .mailbox_total_bytes = size_of(cfg->mailbox_total_bytes),
	    .send_timeout = (uint64_t)cfg->send_timeout,
	    .grace_period = (uint64_t)cfg->grace_period,
	    .admission_timeout = (uint64_t)cfg->admission_timeout,
	    .replace_burst = (uint64_t)cfg->replace_burst,
	    .replace_interval = (uint64_t)cfg->replace_interval,
	};
}

static void out_of_memory(int r)
{
	log_error("daemon", "cannot start: %s", strerror(-r));
}

/* What other parts of the daemon are registered with. */
static int open_registers(struct host_core *core)
{
	int r;

	if ((r = services_open(&core->services)) < 0)
		goto err0;
	if ((r = routes_open(&core->routes)) < 0)
		goto err1;
	if ((r = ready_open(&core->ready)) < 0)
		goto err2;
	if ((r = health_routes_add(core->routes, core->ready)) < 0)
		goto err3;
	if ((r = declared_open(&core->declared)) < 0)
		goto err3;
	if ((r = commands_open(&core->commands)) < 0)
		goto err4;
	return 0;
err4:
	declared_close(core->declared);
err3:
	ready_close(core->ready);
err2:
	routes_close(core->routes);
err1:
	services_close(core->services);
err0:
	return r;
}

static void close_registers(struct host_core *core)
{
	commands_close(core->commands);
	declared_close(core->declared);
	ready_close(core->ready);
	routes_close(core->routes);
	services_close(core->services);
}

static int open_peers(struct core *c, const struct config *cfg)
{
	const struct registry_settings settings = core_peers_settings(cfg);
	struct host_core *core = &c->host;
	int r;

	if ((r = drops_open(&c->drops, core->metrics)) < 0)
		goto err0;
	if ((r = registry_open(&core->registry, &settings, core->metrics, c->drops)) < 0)
		goto err1;
	if ((r = forwarder_open(&core->forwarder, core->registry, c->drops,
	                        core->limits.max_message, core->metrics)) < 0)
		goto err2;
	return 0;
err2:
	registry_close(core->registry);
err1:
	drops_close(c->drops);
err0:
	return r;
}

static void close_peers(struct core *c)
{
	forwarder_close(c->host.forwarder);
	registry_close(c->host.registry);
	drops_close(c->drops);
}

int core_open(struct core *c, const struct config *cfg)
{
	struct host_core *core = &c->host;
	unsigned total;
	int r;

	core->limits = (struct nbs_limits){.size = sizeof(core->limits),
	                                   .max_message = (size_t)cfg->max_message_size,
	                                   .max_id = NBS_ID_MAX,
	                                   .io_threads = io_threads(cfg)};
	core->limits.max_connections =
	    descriptors_fit((unsigned)cfg->max_connections, core->limits.io_threads, &total) /
	    DESCRIPTORS_PER_CONNECTION;
	if (core->limits.max_connections > (size_t)cfg->max_connections)
		core->limits.max_connections = (size_t)cfg->max_connections;
	if ((r = metrics_open(&core->metrics)) < 0)
		goto err0;
	if ((r = daemon_metrics_register(&c->metrics, core->metrics)) < 0 ||
	    (r = open_peers(c, cfg)) < 0)
		goto err1;
	if ((r = certstore_open(&core->certs, core->metrics)) < 0)
		goto err2;
	if ((r = open_registers(core)) < 0)
		goto err3;
	return 0;
err3:
	certstore_close(core->certs);
err2:
	close_peers(c);
err1:
	metrics_close(core->metrics);
err0:
	out_of_memory(r);
	return r;
}

void core_close(struct core *c)
{
	close_registers(&c->host);
	certstore_close(c->host.certs);
	close_peers(c);
	metrics_close(c->host.metrics);
}
