/* What plugin.c and plugin_reload.c share. */
#ifndef PLUGIN_PRIVATE_H
#define PLUGIN_PRIVATE_H

#include "config.h"

#include <netbird-signal/plugin.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct certstore;
struct host;
struct nbs_metric;

struct plugin {
	char name[CONFIG_NAME_MAX]; /* of its section */
	char *path;
	struct config_plugin *conf; /* its section of the configuration that is in force */
	uint32_t abi;               /* as the note says */
	const struct nbs_plugin *entry;
	struct host *host;
	void *self;
	struct nbs_metric *running;
	bool started, prepared, stuck;
};

struct plugins {
	struct plugin *list;
	size_t n;
	struct certstore *certs; /* the core's: what a plugin provides goes with it */
	struct plugins *next;    /* in_use */
};

bool plugins_have(const struct plugins *set, const char *name);
/* Says that a call into the plugin failed; r as the plugin gave it.  A negative errno. */
int plugin_failed(const struct plugin *p, const char *call, int r);

#endif
