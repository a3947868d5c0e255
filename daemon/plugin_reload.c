/* The plugins' part of a reload: all of them change, or none does. */
#include "plugin.h"

#include "config.h"
#include "host.h"
#include "log.h"
#include "plugin_private.h"

#include <string.h>

static const struct config_entry *find_entry(const struct config_plugin *conf, const char *key)
{
	for (size_t i = 0; i < conf->n_entries; i++)
		if (strcmp(conf->entries[i].key, key) == 0)
			return &conf->entries[i];
	return NULL;
}

static void warn_key(const struct plugin *p, const struct config_entry *e)
{
	log_warn("plugin", "%s: [plugin %s] %s: has changed, which needs a restart", e->where,
	         p->name, e->key);
}

static void warn_section(const char *name, const char *what)
{
	log_warn("plugin", "[plugin %s] %s, which needs a restart", name, what);
}

/* Names what differs and was not read by reload_prepare(). */
static void warn_changes(const struct plugin *p, const struct config_plugin *new)
{
	const struct config_plugin *old = p->conf;

	if (strcmp(p->path, new->path) != 0)
		warn_section(p->name, "has another file");
	if (old == NULL || !config_plugin_changed(old, new))
		return;
	for (size_t i = 0; i < new->n_entries; i++) {
		const struct config_entry *e = &new->entries[i], *was = find_entry(old, e->key);

		if (!e->asked && (was == NULL || strcmp(was->value, e->value) != 0))
			warn_key(p, e);
	}
	/* A key that is gone leaves no mark of who asked for it; but one who reads nothing in a
	 * reload did not. */
	for (size_t i = 0; p->entry->reload_prepare == NULL && i < old->n_entries; i++)
		if (find_entry(new, old->entries[i].key) == NULL)
			warn_key(p, &old->entries[i]);
}

/* The section of a plugin that goes on running; NULL if it is no longer wanted. */
static struct config_plugin *wanted(struct config *cfg, const struct plugin *p)
{
	struct config_plugin *conf = config_plugin(cfg, p->name);

	return conf != NULL && conf->enabled ? conf : NULL;
}

static int prepare_plugin(struct plugin *p, struct config_plugin *conf)
{
	int r;

	if ((r = config_plugin_unknown(conf, host_knows_key, p->host)) < 0)
		return r;
	host_set_conf(p->host, conf);
	r = p->entry->reload_prepare != NULL ? p->entry->reload_prepare(p->self) : 0;
	if (r != 0) {
		r = plugin_failed(p, "reload_prepare", r);
		host_set_conf(p->host, p->conf);
		return r;
	}
	p->prepared = true;
	return 0;
}

int plugins_reload_prepare(struct plugins *set, struct config *cfg)
{
	for (struct plugin *p = set->list; p < set->list + set->n; p++) {
		struct config_plugin *conf = wanted(cfg, p);
		int r;

		if (conf == NULL)
			continue; /* as it is until the restart */
		if ((r = prepare_plugin(p, conf)) < 0) {
			plugins_reload_finish(set, cfg, 0);
			return r;
		}
	}
	return 0;
}

static void finish_plugin(struct plugin *p, struct config *cfg, int commit)
{
	if (commit) {
		struct config_plugin *conf = wanted(cfg, p);

		if (conf != NULL)
			warn_changes(p, conf);
		else
			warn_section(p->name, "is gone");
		p->conf = conf;
	}
	host_set_conf(p->host, p->conf);
	if (p->prepared && p->entry->reload_finish != NULL)
		p->entry->reload_finish(p->self, commit);
	p->prepared = false;
}

void plugins_reload_finish(struct plugins *set, struct config *cfg, int commit)
{
	for (struct plugin *p = set->list; p < set->list + set->n; p++)
		finish_plugin(p, cfg, commit);
	for (size_t i = 0; commit && i < cfg->n_plugins; i++)
		if (cfg->plugins[i].enabled && !plugins_have(set, cfg->plugins[i].name))
			warn_section(cfg->plugins[i].name, "is new");
}
