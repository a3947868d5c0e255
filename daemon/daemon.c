/*
 * The order of things.  A start is one ladder: what plugins need to register with, plugins, I/O
 * threads, sockets, privileges; and only then anything that runs.
 */
#include "daemon.h"

#include "certstore.h"
#include "clock.h"
#include "config.h"
#include "config_flag.h"
#include "control.h"
#include "control_socket.h"
#include "core.h"
#include "descriptors.h"
#include "drops.h"
#include "log.h"
#include "memory.h"
#include "network.h"
#include "notify.h"
#include "plugin.h"
#include "privileges.h"
#include "ready.h"
#include "registry.h"
#include "tls_demand.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct daemon {
	struct config *cfg;     /* in force */
	struct config *started; /* what the parts that need a restart still go by */
	const struct options *opt;
	struct core core;
	struct plugins *plugins;
	struct network *network;
	struct control_socket *control_socket; /* NULL: none */
};

/* Settings that a reload may change. */
static void apply_limits(struct daemon *d, const struct config *cfg)
{
	const struct registry_settings settings = core_peers_settings(cfg);
	unsigned total, wanted = (unsigned)cfg->max_connections;
	unsigned descriptors = descriptors_fit(wanted, d->core.host.limits.io_threads, &total);
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
	registry_configure(d->core.host.registry, &settings);
	control_set_tick(d->core.host.control, registry_tick_ms(d->core.host.registry));
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

	registry_tick(d->core.host.registry, now_ms);
	drops_tick(d->core.drops, now_ms);
	network_tick(d->network);
	certstore_tick(d->core.host.certs, now_ms);
	control_socket_tick(d->control_socket, now_ms);
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
	if ((r = certstore_load(d->core.host.certs, cfg, &certs)) < 0)
		goto err1;
	if (!certs_serve(certs) && (r = tls_demand_check(cfg)) < 0)
		goto err2;
	if ((r = plugins_reload_prepare(d->plugins, cfg)) < 0)
		goto err2;
	plugins_reload_finish(d->plugins, cfg, 1);
	certstore_use(d->core.host.certs, cfg, certs);
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
	int r;

	notify_reloading();
	log_reopen();
	r = reload_config(d);
	daemon_metrics_reloaded(&d->core.metrics, r == 0);
	if (r < 0)
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
	if ((r = network_start(d->network, d->cfg)) < 0) {
		plugins_stop(d->plugins, 0);
		return r;
	}
	ready_set_serving(d->core.host.ready, true);
	return 0;
}

static int open_control_socket(struct daemon *d)
{
	const struct control_socket_settings settings = {.path = d->cfg->control_socket,
	                                                 .user = d->cfg->user,
	                                                 .required = d->cfg->control_socket_set};

	return control_socket_open(&d->control_socket, &settings, d->core.host.control,
	                           d->core.host.commands);
}

static void close_control_socket(struct daemon *d)
{
	control_socket_close(d->control_socket);
	d->control_socket = NULL;
}

static void stop(struct daemon *d)
{
	uint64_t begin = clock_ms();

	notify_send("STOPPING=1");
	close_control_socket(d);
	ready_set_serving(d->core.host.ready, false);
	network_deafen(d->network);
	plugins_drain(d->plugins);
	registry_stop(d->core.host.registry);
	plugins_stop(d->plugins, (unsigned)d->started->shutdown_grace);
	network_stop(d->network);
	control_run_posts(d->core.host.control);
	log_info("daemon", "stopped ms=%llu", (unsigned long long)(clock_ms() - begin));
}

static void run(struct daemon *d)
{
	const struct control_ops ops = {.tick = tick, .reload = reload};

	daemon_metrics_configured(&d->core.metrics);
	log_info("daemon", "ready version=%s pid=%ld config=%s", VERSION, (long)getpid(),
	         d->cfg->file != NULL ? d->cfg->file : "(defaults)");
	log_echo(false);
	notify_send("READY=1");
	control_run(d->core.host.control, &ops, d);
	stop(d);
}

static int drop_and_run(struct daemon *d)
{
	int r;

	if ((r = privileges_drop(d->cfg->user)) < 0)
		return r;
	certstore_warn_unreadable(d->cfg);
	apply_limits(d, d->cfg);
	if ((r = start(d)) < 0)
		return r;
	run(d);
	return 0;
}

/* While we still may read the keys. */
static int load_certs(struct daemon *d)
{
	struct certs *certs;
	int r;

	if ((r = certstore_load(d->core.host.certs, d->cfg, &certs)) < 0)
		return r;
	certstore_use(d->core.host.certs, d->cfg, certs);
	return 0;
}

/* The control socket comes after the ports: of two daemons that are started at once only one gets
 * so far, and takes the file from nobody. */
static int bind_and_run(struct daemon *d)
{
	int r;

	if ((r = network_prepare(d->network)) < 0)
		return r;
	if ((r = load_certs(d)) < 0)
		return r;
	if ((r = open_control_socket(d)) < 0)
		return r;
	r = drop_and_run(d);
	close_control_socket(d);
	return r;
}

static void close_core(struct daemon *d)
{
	if (!plugins_stuck()) /* otherwise their threads may be in there */
		core_close(&d->core);
}

static int load_and_run(struct daemon *d)
{
	int r;

	if ((r = core_open(&d->core, d->cfg)) < 0)
		goto err0;
	if ((r = plugins_load(&d->plugins, d->cfg, &d->core.host)) < 0)
		goto err1;
	if ((r = config_flag_unused(&d->cfg->flags)) < 0)
		goto err2;
	if ((r = network_open(&d->network, &d->core.host, d->cfg)) < 0)
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
	if ((r = control_open(&d.core.host.control)) < 0)
		goto err1;
	r = load_and_run(&d);
	if (plugins_stuck())
		return r; /* its threads may still post and log until the process has ended */
	control_close(d.core.host.control);
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
	if ((r = control_open(&d.core.host.control)) < 0)
		goto err0;
	if ((r = core_open(&d.core, cfg)) < 0)
		goto err1;
	if ((r = plugins_load(&d.plugins, cfg, &d.core.host)) < 0)
		goto err2;
	if ((r = config_flag_unused(&cfg->flags)) == 0)
		r = network_check(cfg, &d.core.host);
	plugins_free(d.plugins);
err2:
	close_core(&d);
err1:
	control_close(d.core.host.control);
err0:
	config_free(cfg);
	return r;
}
