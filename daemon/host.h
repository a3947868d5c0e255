/*
 * The table of functions that one plugin gets (struct nbs_host), and what it registered.
 * Everything here is [main].
 */
#ifndef HOST_H
#define HOST_H

#include <netbird-signal/plugin.h>

#include <stdbool.h>

struct certstore;
struct commands;
struct config_plugin;
struct control;
struct declared;
struct forwarder;
struct metrics;
struct ready;
struct registry;
struct routes;
struct services;

/* What the functions of the table work on; all KEPT until the last host_free(). */
struct host_core {
	struct control *control;
	struct metrics *metrics;
	struct registry *registry;
	struct forwarder *forwarder;
	struct services *services;
	struct routes *routes;
	struct ready *ready;
	struct declared *declared;
	struct commands *commands;
	struct certstore *certs;
	struct nbs_limits limits;
};

struct host;

/* `conf` is the plugin's section, or NULL for none.  NULL when out of memory. */
struct host *host_new(const struct host_core *core, const char *plugin, struct config_plugin *conf);
void host_free(struct host *host);
/* The table; valid until host_free(). */
struct nbs_host *host_table(struct host *host);
/* The section that conf_*() read from now on (a reload, or its end). */
void host_set_conf(struct host *host, struct config_plugin *conf);
/* Registration (metrics, services, ...) is allowed during init() only. */
void host_allow_register(struct host *host, bool allow);
/* Whether the plugin asked for this key in init(); arg is the host. */
bool host_knows_key(const void *arg, const char *key);
/* How many leases the plugin still holds; for the check after stop(). */
unsigned host_leases(const struct host *host);

#endif
