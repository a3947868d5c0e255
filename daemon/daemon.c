/*
 * The order of things.  A start is one ladder: what plugins need to register with, plugins, I/O
 * threads, sockets, privileges; and only then anything that runs.
 */
#include "daemon.h"

#include "clock.h"
#include "config.h"
#include "conn.h"
#include "control.h"
#include "descriptors.h"
#include "drops.h"
#include "forwarder.h"
#include "host.h"
#include "io.h"
#include "conn_limits.h"
#include "listener.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"
#include "notify.h"
#include "plugin.h"
#include "privileges.h"
#include "registry.h"
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
	struct host_core core; /* control, metrics, registry, forwarder, services */
	struct drops *drops;
	struct plugins *plugins;
	struct io *io;
	struct conn_limits *limits;
	struct conns *conns;
	struct listeners *listeners;
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

/* What plugins register with. */
static int open_core(struct daemon *d)
{
	const struct registry_settings settings = peers_settings(d->cfg);
	struct host_core *core = &d->core;
	unsigned descriptors;
	int r;

	core->limits = (struct nbs_limits){.size = sizeof(core->limits),
	                                   .max_message = (size_t)d->cfg->max_message_size,
	                                   .max_id = NBS_ID_MAX,
	                                   .io_threads = io_threads(d->cfg)};
	core->limits.max_connections = descriptors_fit((unsigned)d->cfg->max_connections,
	                                               core->limits.io_threads, &descriptors);
	if ((r = metrics_open(&core->metrics)) < 0)
		goto err0;
	if ((r = drops_open(&d->drops, core->metrics)) < 0)
		goto err1;
	if ((r = registry_open(&core->registry, &settings, core->metrics, d->drops)) < 0)
		goto err2;
	if ((r = forwarder_open(&core->forwarder, core->registry, d->drops,
	                        core->limits.max_message, core->metrics)) < 0)
		goto err3;
	if ((r = services_open(&core->services)) < 0)
		goto err4;
	return 0;
err4:
	forwarder_close(core->forwarder);
err3:
	registry_close(core->registry);
err2:
	drops_close(d->drops);
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
	services_close(d->core.services);
	forwarder_close(d->core.forwarder);
	registry_close(d->core.registry);
	drops_close(d->drops);
	metrics_close(d->core.metrics);
}

/* What connections need; nothing runs yet. */
static int open_network(struct daemon *d)
{
	int r;

	if ((r = io_open(&d->io, d->core.limits.io_threads)) < 0)
		goto err0;
	if ((r = listeners_open(&d->listeners, d->cfg, d->core.services, d->core.metrics)) < 0)
		goto err1;
	if ((r = conn_limits_open(&d->limits, listeners_resume, d->listeners)) < 0)
		goto err2;
	if ((r = conns_open(&d->conns, d->io, d->limits, d->core.services, d->core.metrics)) < 0)
		goto err3;
	return 0;
err3:
	conn_limits_close(d->limits);
err2:
	listeners_close(d->listeners);
err1:
	io_close(d->io);
err0:
	return r;
}

static void close_network(struct daemon *d)
{
	conns_close(d->conns);
	conn_limits_close(d->limits);
	listeners_close(d->listeners);
	io_close(d->io);
}

/* Settings that a reload may change. */
static void apply_limits(struct daemon *d, const struct config *cfg)
{
	const struct registry_settings settings = peers_settings(cfg);
	unsigned descriptors, wanted = (unsigned)cfg->max_connections;
	unsigned max = descriptors_fit(wanted, d->core.limits.io_threads, &descriptors);

	if (max < wanted)
		log_line(
		    cfg->max_connections_set ? NBS_WARN : NBS_INFO, "daemon",
		    "[limits] max-connections: %u file descriptors are enough for %u connections, "
		    "not for %u",
		    descriptors, max, wanted);
	conn_limits_configure(d->limits, max, (unsigned)cfg->max_connections_per_address);
	conns_configure(d->conns, (uint64_t)cfg->handshake_timeout);
	registry_configure(d->core.registry, &settings);
	control_set_tick(d->core.control, registry_tick_ms(d->core.registry));
	log_set_level(cfg->log_level);
	log_info("daemon",
	         "worst case: connections=%u descriptors=%u (2 per connection) "
	         "mailboxes_mib=%lld largest_message_kib=%lld",
	         max, descriptors, (long long)(cfg->mailbox_total_bytes >> 20),
	         (long long)(cfg->max_message_size >> 10));
}

static void tick(void *arg, uint64_t now_ms)
{
	struct daemon *d = arg;

	registry_tick(d->core.registry, now_ms);
	drops_tick(d->drops, now_ms);
	listeners_tick(d->listeners);
	memory_tick(now_ms);
}

/* Two steps: everything that may fail, then what cannot. */
static int reload_config(struct daemon *d)
{
	struct config *cfg;
	int r;

	if ((r = config_load(&cfg, d->opt)) < 0)
		return r;
	if ((r = plugins_reload_prepare(d->plugins, cfg)) < 0) {
		config_free(cfg);
		return r;
	}
	plugins_reload_finish(d->plugins, cfg, 1);
	config_warn_restart(d->started, cfg);
	apply_limits(d, cfg);
	if (d->cfg != d->started)
		config_free(d->cfg);
	d->cfg = cfg;
	return 0;
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
	if ((r = io_start(d->io, conns_leave_thread, d->conns)) < 0)
		goto err0;
	if ((r = listeners_start(d->listeners, d->io, d->limits, d->conns)) < 0)
		goto err1;
	return 0;
err1:
	io_stop(d->io);
err0:
	plugins_stop(d->plugins, 0);
	return r;
}

static void stop(struct daemon *d)
{
	uint64_t begin = clock_ms();

	notify_send("STOPPING=1");
	listeners_stop(d->listeners);
	plugins_drain(d->plugins);
	registry_stop(d->core.registry);
	plugins_stop(d->plugins, (unsigned)d->started->shutdown_grace);
	io_stop(d->io);
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

	if ((r = listeners_bind(d->listeners)) < 0)
		return r;
	if ((r = privileges_drop(d->cfg->user)) < 0)
		return r;
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
	if ((r = open_network(d)) < 0)
		goto err2;
	r = bind_and_run(d);
	close_network(d);
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
	r = listeners_open(&d.listeners, cfg, d.core.services, d.core.metrics);
	if (r == 0)
		listeners_close(d.listeners);
	plugins_free(d.plugins);
err2:
	close_core(&d);
err1:
	control_close(d.core.control);
err0:
	config_free(cfg);
	return r;
}
