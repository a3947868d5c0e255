/*
 * The keys of [plugin NAME] sections, as plugins ask for them.
 */
#include "config.h"
#include "config_fault.h"
#include "config_flag.h"
#include "config_value.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct config_plugin *config_plugin(struct config *cfg, const char *name)
{
	size_t i;

	for (i = 0; i < cfg->n_plugins; i++) {
		if (strcmp(cfg->plugins[i].name, name) == 0)
			return &cfg->plugins[i];
	}
	return NULL;
}

static struct config_entry *find(const struct config_plugin *p, const char *key)
{
	size_t i;

	for (i = 0; i < p->n_entries; i++) {
		if (strcmp(p->entries[i].key, key) == 0)
			return &p->entries[i];
	}
	return NULL;
}

static const struct config_entry *ask(struct config_plugin *p, const char *key)
{
	struct config_entry *e = find(p, key);

	if (e)
		e->asked = true;
	return e;
}

static int refuse(const struct config_plugin *p, const struct config_entry *e, const char *expected)
{
	struct config_faults faults = {0};
	char section[CONFIG_NAME_MAX + 8];

	snprintf(section, sizeof(section), "plugin %s", p->name);
	config_fault_value(&faults, e->where, section, e->key, expected, e->value);
	return -EINVAL;
}

int config_plugin_str(struct config_plugin *p, const char *key, const char **val)
{
	const struct config_entry *e = ask(p, key);

	if (e)
		*val = e->value;
	return 0;
}

static int number(struct config_plugin *p, const char *key, enum config_unit unit, int64_t min,
                  int64_t max, int64_t *val)
{
	const struct config_entry *e = ask(p, key);
	char expected[CONFIG_WORDS];

	if (!e || config_value_number(e->value, unit, min, max, val) == 0)
		return 0;
	config_value_expected(expected, unit, min, max);
	return refuse(p, e, expected);
}

int config_plugin_int(struct config_plugin *p, const char *key, int64_t min, int64_t max,
                      int64_t *val)
{
	return number(p, key, CONFIG_COUNT, min, max, val);
}

int config_plugin_duration(struct config_plugin *p, const char *key, int64_t min, int64_t max,
                           int64_t *ms)
{
	return number(p, key, CONFIG_DURATION, min, max, ms);
}

int config_plugin_size(struct config_plugin *p, const char *key, int64_t min, int64_t max,
                       int64_t *bytes)
{
	return number(p, key, CONFIG_SIZE, min, max, bytes);
}

int config_plugin_bool(struct config_plugin *p, const char *key, int *val)
{
	const struct config_entry *e = ask(p, key);
	bool yes;

	if (!e)
		return 0;
	if (config_value_bool(e->value, &yes) < 0)
		return refuse(p, e, "yes or no");
	*val = yes;
	return 0;
}

int config_plugin_flag(struct config_plugin *p, const char *option, const char *key)
{
	struct config_flag *f = config_flag_find(p->flags, option, strlen(option));
	struct config_entry *e = find(p, key);

	if (!f)
		return -ENOENT;
	if (!e && p->n_spare == 0)
		return -ENOBUFS;
	if (!e) {
		p->n_spare--;
		e = &p->entries[p->n_entries++];
		e->key = key;
	}
	e->value = f->value;
	e->where = f->origin;
	f->asked = true;
	return 0;
}

int config_plugin_unknown(const struct config_plugin *p,
                          bool (*knows)(const void *arg, const char *key), const void *arg)
{
	struct config_faults faults = {0};
	size_t i;

	for (i = 0; i < p->n_entries; i++) {
		if (!knows(arg, p->entries[i].key))
			config_fault(&faults, p->entries[i].where,
			             "[plugin %s] %s: the plugin knows no such key", p->name,
			             p->entries[i].key);
	}
	return config_fault_end(&faults);
}

bool config_plugin_changed(const struct config_plugin *old, const struct config_plugin *new)
{
	size_t i;

	if (old->enabled != new->enabled || strcmp(old->path, new->path) != 0 ||
	    old->n_entries != new->n_entries)
		return true;
	for (i = 0; i < new->n_entries; i++) {
		const struct config_entry *e = find(old, new->entries[i].key);

		if (!e || strcmp(e->value, new->entries[i].value) != 0)
			return true;
	}
	return false;
}
