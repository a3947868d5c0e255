/*
 * The order of things.  A start is one ladder: what plugins need to register with, plugins, I/O
 * threads, sockets, privileges; and only then anything that runs.
 */
#include "daemon.h"

#include "certstore.h"
#include "clock.h"
#include "config.h"
#include "control.h"
#include "descriptors.h"
#include "drops.h"
#include "forwarder.h"
#include "health_routes.h"
#include "host.h"
#include "io.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"
#include "network.h"
#include "notify.h"
#include "plugin.h"
#include "privileges.h"
#include "ready.h"
#include "registry.h"
#include "routes.h"
#include "service.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct daemon {
	struct config *cfg;     /* in force */
	struct config *started; /* what the parts that need a restart still go by */
	const struct options *opt;
	struct host_core core; /* control, metrics, registry, forwarder, services, routes */
	struct drops *drops;
	struct plugins *plugins;
	struct network *network;
};

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

static struct registry_settings peers_settings(const struct config *cfg)
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
	return 0;
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
	ready_close(core->ready);
	routes_close(core->routes);
	services_close(core->services);
}

static int open_peers(struct daemon *d)
{
	const struct registry_settings settings = peers_settings(d->cfg);
	struct host_core *core = &d->core;
	int r;

	if ((r = drops_open(&d->drops, core->metrics)) < 0)
		goto err0;
	if ((r = registry_open(&core->registry, &settings, core->metrics, d->drops)) < 0)
		goto err1;
	if ((r = forwarder_open(&core->forwarder, core->registry, d->drops,
	                        core->limits.max_message, core->metrics)) < 0)
		goto err2;
	return 0;
err2:
	registry_close(core->registry);
err1:
	drops_close(d->drops);
err0:
	return r;
}

static void close_peers(struct daemon *d)
{
	forwarder_close(d->core.forwarder);
	registry_close(d->core.registry);
	drops_close(d->drops);
}

/* What plugins register with. */
static int open_core(struct daemon *d)
{
	struct host_core *core = &d->core;
	unsigned total;
	int r;

	core->limits = (struct nbs_limits){.size = sizeof(core->limits),
	                                   .max_message = (size_t)d->cfg->max_message_size,
	                                   .max_id = NBS_ID_MAX,
	                                   .io_threads = io_threads(d->cfg)};
	core->limits.max_connections =
	    descriptors_fit((unsigned)d->cfg->max_connections, core->limits.io_threads, &total) /
	    DESCRIPTORS_PER_CONNECTION;
	if (core->limits.max_connections > (size_t)d->cfg->max_connections)
		core->limits.max_connections = (size_t)d->cfg->max_connections;
	if ((r = metrics_open(&core->metrics)) < 0)
		goto err0;
	if ((r = open_peers(d)) < 0)
		goto err1;
	if ((r = open_registers(core)) < 0)
		goto err2;
	return 0;
err2:
	close_peers(d);
err1:
	metrics_close(core->metrics);
err0:
	out_of_memory(r);
	return r;
}

static void close_core(struct daemon *d)
{
	if (plugins_stuck())
		return; /* their threads may be in there */
	close_registers(&d->core);
	close_peers(d);
	metrics_close(d->core.metrics);
}

/* Settings that a reload may change. */
static void apply_limits(struct daemon *d, const struct config *cfg)
{
	const struct registry_settings settings = peers_settings(cfg);
	unsigned total, wanted = (unsigned)cfg->max_connections;
	unsigned descriptors = descriptors_fit(wanted, d->core.limits.io_threads, &total);
	unsigned max = descriptors / DESCRIPTORS_PER_CONNECTION;

	if (max < wanted)
		log_line(
		    cfg->max_connections_set ? NBS_WARN : NBS_INFO, "daemon",
		    "[limits] max-connections: %u file descriptors are enough for %u connections, "
		    "not for %u",
		    total, max, wanted);
	else
		max = wanted;
	network_configure(d->network, cfg, max, descriptors);
	registry_configure(d->core.registry, &settings);
	control_set_tick(d->core.control, registry_tick_ms(d->core.registry));
	log_set_level(cfg->log_level);
	log_info("daemon",
	         "worst case: connections=%u descriptors=%u (2 per connection, 4 with TLS or a "
	         "tunnel, 6 with both) mailboxes_mib=%lld handshakes_mib=%lld "
	         "largest_message_kib=%lld",
	         max, total, (long long)(cfg->mailbox_total_bytes >> 20),
	         (long long)(cfg->max_handshakes * NETWORK_HANDSHAKE_KIB >> 10),
	         (long long)(cfg->max_message_size >> 10));
}

static void tick(void *arg, uint64_t now_ms)
{
	struct daemon *d = arg;

	registry_tick(d->core.registry, now_ms);
	drops_tick(d->drops, now_ms);
	network_tick(d->network, now_ms);
	memory_tick(now_ms);
}

/* Two steps: everything that may fail, then what cannot. */
static int reload_config(struct daemon *d)
{
	struct certs *certs;
	struct config *cfg;
	int r;

	if ((r = config_load(&cfg, d->opt)) < 0)
		goto err0;
	if ((r = network_load_certs(d->network, cfg, &certs)) < 0)
		goto err1;
	if ((r = plugins_reload_prepare(d->plugins, cfg)) < 0)
		goto err2;
	plugins_reload_finish(d->plugins, cfg, 1);
	network_use_certs(d->network, cfg, certs);
	config_warn_restart(d->started, cfg);
	apply_limits(d, cfg);
	if (d->cfg != d->started)
		config_free(d->cfg);
	d->cfg = cfg;
	return 0;
err2:
	certs_unref(certs);
err1:
	config_free(cfg);
err0:
	return r;
}

static void reload(void *arg)
{
	struct daemon *d = arg;

	notify_reloading();
	log_reopen();
	if (reload_config(d) < 0)
		log_error("daemon", "reload failed, the old configuration runs on");
	else
		log_info("daemon", "reloaded config=%s",
		         d->cfg->file != NULL ? d->cfg->file : "(defaults)");
	notify_send("READY=1");
}

/* From here on other threads run. */
static int start(struct daemon *d)
{
	int r;

	if ((r = plugins_start(d->plugins)) < 0)
		return r;
	if ((r = network_start(d->network)) < 0) {
		plugins_stop(d->plugins, 0);
		return r;
	}
	ready_set_serving(d->core.ready, true);
	return 0;
}

static void stop(struct daemon *d)
{
	uint64_t begin = clock_ms();

	notify_send("STOPPING=1");
	ready_set_serving(d->core.ready, false);
	network_deafen(d->network);
	plugins_drain(d->plugins);
	registry_stop(d->core.registry);
	plugins_stop(d->plugins, (unsigned)d->started->shutdown_grace);
	network_stop(d->network);
	control_run_posts(d->core.control);
	log_info("daemon", "stopped ms=%llu", (unsigned long long)(clock_ms() - begin));
}

static void run(struct daemon *d)
{
	const struct control_ops ops = {.tick = tick, .reload = reload};

	log_info("daemon", "ready version=%s pid=%ld config=%s", VERSION, (long)getpid(),
	         d->cfg->file != NULL ? d->cfg->file : "(defaults)");
	log_echo(false);
	notify_send("READY=1");
	control_run(d->core.control, &ops, d);
	stop(d);
}

static int bind_and_run(struct daemon *d)
{
	int r;

	if ((r = network_prepare(d->network, d->cfg)) < 0)
		return r;
	if ((r = privileges_drop(d->cfg->user)) < 0)
		return r;
	network_warn_unreadable(d->cfg);
	apply_limits(d, d->cfg);
	if ((r = start(d)) < 0)
		return r;
	run(d);
	return 0;
}

static int load_and_run(struct daemon *d)
{
	int r;

	if ((r = open_core(d)) < 0)
		goto err0;
	if ((r = plugins_load(&d->plugins, d->cfg, &d->core)) < 0)
		goto err1;
	if ((r = network_open(&d->network, &d->core, d->cfg)) < 0)
		goto err2;
	r = bind_and_run(d);
	network_close(d->network);
err2:
	plugins_free(d->plugins);
err1:
	close_core(d);
err0:
	return r;
}

int daemon_run(struct config *cfg, const struct options *opt)
{
	static struct daemon d; /* outlives us if a plugin does not stop */
	int r;

	d = (struct daemon){.cfg = cfg, .started = cfg, .opt = opt};
	if ((r = log_open(cfg->log_file)) < 0)
		goto err0;
	log_set_level(cfg->log_level);
	if ((r = control_open(&d.core.control)) < 0)
		goto err1;
	r = load_and_run(&d);
	if (plugins_stuck())
		return r; /* its threads may still post and log until the process has ended */
	control_close(d.core.control);
err1:
	log_close();
err0:
	if (d.cfg != d.started)
		config_free(d.cfg);
	config_free(d.started);
	return r;
}

int daemon_check(struct config *cfg)
{
	struct daemon d = {.cfg = cfg};
	int r;

	/* Its loop never runs, but init() may post and ask for a shutdown. */
	if ((r = control_open(&d.core.control)) < 0)
		goto err0;
	if ((r = open_core(&d)) < 0)
		goto err1;
	if ((r = plugins_load(&d.plugins, cfg, &d.core)) < 0)
		goto err2;
	r = network_check(cfg, &d.core);
	plugins_free(d.plugins);
err2:
	close_core(&d);
err1:
	control_close(d.core.control);
err0:
	config_free(cfg);
	return r;
}
