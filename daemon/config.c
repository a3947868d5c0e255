/*
 * One configuration, built in the order of what outranks what: defaults, file, variables and
 * flags.  Faults are collected on the way, so that one run names them all.
 */
#include "config_build.h"
#include "config_check.h"
#include "config_flag.h"
#include "config_listen.h"
#include "config_store.h"
#include "log.h"
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_port(struct config_build *b, const struct options_value *v)
{
	char expected[CONFIG_WORDS];
	int64_t port;

	if (config_value_number(v->value, CONFIG_COUNT, 0, 65535, &port) == 0)
		return true;
	config_value_expected(expected, CONFIG_COUNT, 0, 65535);
	config_fault_value(&b->faults, v->origin, NULL, NULL, expected, v->value);
	return false;
}

static int set_port(struct config_build *b, const struct options_value *v)
{
	struct config_listener *listener = config_listen_find(b->cfg, "signal");
	struct config_entry entry = {.key = "address", .where = v->origin};

	if (!v->value || !is_port(b, v))
		return 0;
	if ((entry.value = config_store_print(b->cfg->store, "*:%s", v->value)) == NULL)
		return -ENOMEM;
	if (!listener)
		listener = config_build_listener(b->cfg, "signal");
	return config_listen_set(listener, NULL, &entry, &b->faults);
}

static int set_option(struct config_build *b, enum config_section_kind section, const char *key,
                      const struct options_value *v)
{
	struct config_entry entry = {.key = key, .value = v->value, .where = v->origin};

	if (!v->value)
		return 0;
	return config_build_value(b, config_key_find(section, key), b->cfg, NULL, &entry);
}

static int set_options(struct config_build *b, const struct options *opt)
{
	int r;

	if ((r = set_port(b, &opt->port)) < 0 ||
	    (r = set_option(b, CONFIG_DAEMON, "log-level", &opt->log_level)) < 0 ||
	    (r = set_option(b, CONFIG_DAEMON, "log-file", &opt->log_file)) < 0)
		return r;
	if ((r = set_option(b, CONFIG_TLS, "cert-file", &opt->cert_file)) < 0)
		return r;
	return set_option(b, CONFIG_TLS, "cert-key", &opt->cert_key);
}

/* A file with a slash is a path, otherwise it is in plugin-dir, which may come last. */
static int set_paths(struct config *cfg)
{
	struct config_plugin *p;

	for (p = cfg->plugins; p < cfg->plugins + cfg->n_plugins; p++) {
		const char *file = p->path;

		if (strchr(file, '/'))
			continue;
		p->path =
		    file[0] ? config_store_print(cfg->store, "%s/%s", cfg->plugin_dir, file)
			    : config_store_print(cfg->store, "%s/%s.so", cfg->plugin_dir, p->name);
		if (!p->path)
			return -ENOMEM;
	}
	return 0;
}

static int read_file(struct config_build *b, const struct options *opt)
{
	struct config *cfg = b->cfg;

	cfg->file = opt->config.value;
	if (!cfg->file && (access(CONFIG_FILE, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR)))
		cfg->file = CONFIG_FILE;
	return cfg->file ? config_ini_read(&b->ini, cfg->file, cfg->store, &b->faults) : 0;
}

static int build(struct config_build *b, const struct options *opt)
{
	enum config_section_kind kind;
	const struct config_key *key;
	int r;

	for (kind = CONFIG_DAEMON; kind < CONFIG_KINDS; kind++) {
		if (!config_key_is_named(kind))
			config_build_defaults(kind, b->cfg);
	}
	config_flag_take(&b->cfg->flags, opt);
	if ((r = read_file(b, opt)) < 0 || (r = config_build_sections(b)) < 0)
		return r;
	if ((r = set_options(b, opt)) < 0 || (r = set_paths(b->cfg)) < 0)
		return r;
	config_build_pairs(b->cfg);
	key = config_key_find(CONFIG_LIMITS, "max-connections");
	b->cfg->max_connections_set = b->cfg->store->where[config_key_index(key)] != NULL;
	key = config_key_find(CONFIG_DAEMON, "control-socket");
	b->cfg->control_socket_set = b->cfg->store->where[config_key_index(key)] != NULL;
	config_check(b->cfg, &b->ini, &b->faults);
	return 0;
}

int config_load(struct config **out, const struct options *opt)
{
	struct config_build b = {0};
	int r = -ENOMEM, faults;

	b.cfg = calloc(1, sizeof(*b.cfg));
	if (b.cfg && (b.cfg->store = calloc(1, sizeof(*b.cfg->store))) != NULL)
		r = build(&b, opt);
	if (r == -ENOMEM)
		log_error("config", "out of memory");
	faults = config_fault_end(&b.faults);
	config_ini_free(&b.ini);
	if (r == 0 && faults == 0) {
		*out = b.cfg;
		return 0;
	}
	config_free(b.cfg);
	return r < 0 ? r : faults;
}

void config_free(struct config *cfg)
{
	size_t i;

	if (!cfg)
		return;
	for (i = 0; i < cfg->n_listeners; i++) {
		free(cfg->listeners[i].addresses);
		free(cfg->listeners[i].trusted);
	}
	for (i = 0; i < cfg->n_plugins; i++)
		free(cfg->plugins[i].entries);
	free(cfg->listeners);
	free(cfg->pairs);
	free(cfg->plugins);
	if (cfg->store)
		config_store_clear(cfg->store);
	free(cfg->store);
	free(cfg);
}
