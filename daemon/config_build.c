/*
 * A configuration from its sections: every value through the table of keys.
 */
#include "config_build.h"
#include "config_flag.h"
#include "config_listen.h"
#include "config_store.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The place of a word among those of a key, or -EINVAL. */
static int find_word(const struct config_key *key, const char *word)
{
	int i;

	for (i = 0; key->words[i]; i++) {
		if (strcmp(key->words[i], word) == 0)
			return i;
	}
	return -EINVAL;
}

/* Puts a value into its field; false if it is none of that key. */
static bool assign(const struct config_key *key, void *base, const char *value)
{
	void *field = (char *)base + key->offset;
	size_t len = strlen(value);
	int i;

	switch (key->type) {
	case CONFIG_NUMBER:
		return config_value_number(value, key->unit, key->min, key->max, field) == 0;
	case CONFIG_BOOL:
		return config_value_bool(value, field) == 0;
	case CONFIG_LEVEL:
		return log_parse_level(value, field) == 0;
	case CONFIG_CHOICE:
		if ((i = find_word(key, value)) >= 0)
			*(int *)field = (int)key->min + i;
		return i >= 0;
	case CONFIG_SWITCH:
		if ((i = find_word(key, value)) >= 0)
			*(bool *)field = i == 1;
		return i >= 0;
	case CONFIG_NAME:
		*(const char **)field = value;
		return len == 0 || config_value_is_name(value, len);
	case CONFIG_TEXT:
		*(const char **)field = value;
		return len >= (size_t)key->min;
	case CONFIG_ADDRESSES:
	case CONFIG_NETWORKS:
		break;
	}
	return true;
}

int config_build_value(struct config_build *b, const struct config_key *key, void *base,
                       const char *section, const struct config_entry *entry)
{
	char expected[CONFIG_WORDS];

	if (key->type == CONFIG_ADDRESSES)
		return config_listen_set(base, section, entry, &b->faults);
	if (key->type == CONFIG_NETWORKS)
		return config_listen_set_trusted(base, section, entry, &b->faults);
	if (!assign(key, base, entry->value)) {
		config_key_expected(key, expected);
		config_fault_value(&b->faults, entry->where, section, entry->key, expected,
		                   entry->value);
	}
	if (!config_key_is_named(key->section))
		b->cfg->store->where[config_key_index(key)] = entry->where;
	return 0;
}

void config_build_defaults(enum config_section_kind section, void *base)
{
	const struct config_key *key;
	size_t i;

	for (i = 0; (key = config_key_at(i)) != NULL; i++) {
		if (key->section == section)
			assign(key, base, key->fallback);
	}
}

struct config_listener *config_build_listener(struct config *cfg, const char *name)
{
	struct config_listener *l = &cfg->listeners[cfg->n_listeners++];

	snprintf(l->name, sizeof(l->name), "%s", name);
	config_build_defaults(CONFIG_LISTENER, l);
	return l;
}

static struct config_pair *add_pair(struct config *cfg, const char *name)
{
	struct config_pair *p = &cfg->pairs[cfg->n_pairs++];

	snprintf(p->name, sizeof(p->name), "%s", name);
	config_build_defaults(CONFIG_PAIR, p);
	return p;
}

void config_build_pairs(struct config *cfg)
{
	struct config_pair *p = cfg->pairs, *end = p + cfg->n_pairs, *kept = p;

	p->cert_file = cfg->cert_file;
	p->cert_key = cfg->cert_key;
	for (; p < end; p++) {
		if (p->cert_file[0] || p->cert_key[0])
			*kept++ = *p;
	}
	cfg->n_pairs = (size_t)(kept - cfg->pairs);
}

/* The keys that the table does not know are the plugin's own: room for `n` of them, and for those
 * that the command line stands for. */
static struct config_plugin *add_plugin(struct config *cfg, const char *name, size_t n)
{
	struct config_plugin *p = &cfg->plugins[cfg->n_plugins];

	if ((p->entries = calloc(n + CONFIG_FLAGS_MAX, sizeof(*p->entries))) == NULL)
		return NULL;
	p->n_spare = CONFIG_FLAGS_MAX;
	p->flags = &cfg->flags;
	snprintf(p->name, sizeof(p->name), "%s", name);
	config_build_defaults(CONFIG_PLUGIN, p);
	cfg->n_plugins++;
	return p;
}

static void refuse_key(struct config_build *b, const struct config_entry *e, const char *section,
                       enum config_section_kind kind)
{
	const struct config_key *key;
	char known[512] = "";
	size_t i;

	for (i = 0; (key = config_key_at(i)) != NULL; i++) {
		if (key->section == kind)
			snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
			         known[0] ? ", " : "", key->name);
	}
	config_fault(&b->faults, e->where, "[%s] %s: unknown key, expected one of %s", section,
	             e->key, known);
}

static int set_keys(struct config_build *b, enum config_section_kind kind, void *base,
                    const struct config_section *s)
{
	size_t i;
	int r;

	for (i = 0; i < s->n_entries; i++) {
		const struct config_key *key = config_key_find(kind, s->entries[i].key);
		struct config_plugin *p = base;

		if (key && (r = config_build_value(b, key, base, s->text, &s->entries[i])) < 0)
			return r;
		if (!key && kind == CONFIG_PLUGIN)
			p->entries[p->n_entries++] = s->entries[i];
		else if (!key)
			refuse_key(b, &s->entries[i], s->text, kind);
	}
	return 0;
}

/* Which kind a section is of, and its name in *name; or -EINVAL after a fault. */
static int section_kind(struct config_build *b, const struct config_section *s, const char **name)
{
	size_t len = strcspn(s->text, " ");
	int kind, near = -1; /* near: of that word, but perhaps of the other kind */
	bool named;

	*name = s->text[len] ? s->text + len + 1 : NULL;
	for (kind = CONFIG_DAEMON; kind < CONFIG_KINDS; kind++) {
		const char *word = config_key_section((enum config_section_kind)kind);

		if (strlen(word) != len || strncmp(word, s->text, len) != 0)
			continue;
		near = kind;
		if (config_key_is_named((enum config_section_kind)kind) == (*name != NULL))
			break;
	}
	if (near < 0) {
		config_fault(&b->faults, s->where,
		             "[%s]: unknown section, expected [daemon], [listener NAME], [tls], "
		             "[tls NAME], [http], [limits], [peers] or [plugin NAME]",
		             s->text);
		return -EINVAL;
	}
	if (kind < CONFIG_KINDS && (!*name || strlen(*name) < CONFIG_NAME_MAX))
		return kind;
	named = config_key_is_named((enum config_section_kind)near);
	config_fault(&b->faults, s->where, "[%s]: expected [%.*s%s]%s", s->text, (int)len, s->text,
	             named ? " NAME" : "", *name && named ? " with a shorter name" : "");
	return -EINVAL;
}

static int set_listener(struct config_build *b, const struct config_section *s, const char *name)
{
	struct config_listener *listener = config_build_listener(b->cfg, name);

	if (!config_ini_entry(s, "address", 7) && strcmp(name, "signal") != 0)
		config_fault(&b->faults, s->where,
		             "[%s]: expected an address, only [listener signal] has "
		             "a default for it",
		             s->text);
	return set_keys(b, CONFIG_LISTENER, listener, s);
}

static int set_section(struct config_build *b, const struct config_section *s)
{
	const char *name;
	struct config_plugin *p;
	int kind = section_kind(b, s, &name);

	switch (kind) {
	case CONFIG_LISTENER:
		return set_listener(b, s, name);
	case CONFIG_PAIR:
		return set_keys(b, CONFIG_PAIR, add_pair(b->cfg, name), s);
	case CONFIG_PLUGIN:
		if (strcmp(name, CONFIG_HTTP2_OFF) == 0)
			config_fault(&b->faults, s->where,
			             "[%s]: expected another name, %s is what http2 says for none",
			             s->text, name);
		p = add_plugin(b->cfg, name, s->n_entries);
		return p ? set_keys(b, CONFIG_PLUGIN, p, s) : -ENOMEM;
	default:
		return kind < 0 ? 0 : set_keys(b, (enum config_section_kind)kind, b->cfg, s);
	}
}

static size_t count_words(const char *words)
{
	size_t n = 0;

	for (words += strspn(words, " "); *words; words += strspn(words, " ")) {
		words += strcspn(words, " ");
		n++;
	}
	return n;
}

static int add_default_plugins(struct config *cfg)
{
	const char *p = DEFAULT_PLUGINS;
	char name[CONFIG_NAME_MAX];

	for (p += strspn(p, " "); *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");

		snprintf(name, sizeof(name), "%.*s", (int)len, p);
		if (!add_plugin(cfg, name, 0))
			return -ENOMEM;
		p += len;
	}
	return 0;
}

/* FLAG_PLUGINS: "OPTION:PLUGIN ...".  A plugin whose option is given is wanted without a section,
 * too; one that has a section goes by that. */
static int add_flag_plugins(struct config *cfg)
{
	const char *p = FLAG_PLUGINS;
	char name[CONFIG_NAME_MAX];

	for (p += strspn(p, " "); *p; p += strspn(p, " ")) {
		size_t option = strcspn(p, ":"), len = strcspn(p, " ");

		snprintf(name, sizeof(name), "%.*s", (int)(len - option - 1), p + option + 1);
		if (config_flag_find(&cfg->flags, p, option) && !config_plugin(cfg, name) &&
		    !add_plugin(cfg, name, 0))
			return -ENOMEM;
		p += len;
	}
	return 0;
}

/* [listener signal] alone may lack an address. */
static int add_default_address(struct config_build *b)
{
	struct config_listener *listener;
	struct config_entry fallback = {.key = "address", .where = "built-in"};

	if (b->cfg->n_listeners == 0)
		config_build_listener(b->cfg, "signal");
	listener = config_listen_find(b->cfg, "signal");
	if (!listener || listener->addresses)
		return 0;
	fallback.value = config_key_find(CONFIG_LISTENER, "address")->fallback;
	return config_listen_set(listener, "listener signal", &fallback, &b->faults);
}

int config_build_sections(struct config_build *b)
{
	size_t n = b->ini.n_sections, i;
	int r;

	b->cfg->listeners = calloc(n + 1, sizeof(*b->cfg->listeners)); /* one for --port */
	b->cfg->pairs = calloc(n + 1, sizeof(*b->cfg->pairs));
	b->cfg->plugins = calloc(n + count_words(DEFAULT_PLUGINS) + count_words(FLAG_PLUGINS),
	                         sizeof(*b->cfg->plugins));
	if (!b->cfg->listeners || !b->cfg->pairs || !b->cfg->plugins)
		return -ENOMEM;
	add_pair(b->cfg, ""); /* that of [tls], filled by config_build_pairs() */
	for (i = 0; i < n; i++) {
		if ((r = set_section(b, &b->ini.sections[i])) < 0)
			return r;
	}
	if (b->cfg->n_plugins == 0 && (r = add_default_plugins(b->cfg)) < 0)
		return r;
	if ((r = add_flag_plugins(b->cfg)) < 0)
		return r;
	return add_default_address(b);
}
