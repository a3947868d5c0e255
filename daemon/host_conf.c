/* A plugin's section of the configuration: what conf_*() read, and which keys it knows. */
#include "host_private.h"

#include "config_flag.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A copy that lives as long as the host; the same text is kept once, however often it is read. */
static const char *keep_string(struct host *h, const char *s)
{
	char **strings;
	char *copy;

	for (size_t i = 0; i < h->n_strings; i++)
		if (strcmp(h->strings[i], s) == 0)
			return h->strings[i];
	if ((strings = realloc(h->strings, (h->n_strings + 1) * sizeof(*strings))) == NULL)
		return NULL;
	h->strings = strings;
	if ((copy = strdup(s)) == NULL)
		return NULL;
	h->strings[h->n_strings++] = copy;
	return copy;
}

bool host_knows_key(const void *arg, const char *key)
{
	const struct host *h = arg;

	for (size_t i = 0; i < h->n_keys; i++)
		if (strcmp(h->keys[i], key) == 0)
			return true;
	return false;
}

/* What init() asks for are the keys that the plugin knows. */
static int note_key(struct host *h, const char *key)
{
	const char **keys;

	if (!h->may_register || host_knows_key(h, key))
		return 0;
	if ((keys = realloc(h->keys, (h->n_keys + 1) * sizeof(*keys))) == NULL)
		return -ENOMEM;
	h->keys = keys;
	if ((h->keys[h->n_keys] = keep_string(h, key)) == NULL)
		return -ENOMEM;
	h->n_keys++;
	return 0;
}

int host_conf_str(struct nbs_host *table, const char *key, const char **val)
{
	struct host *h = host_of(table);
	const char *found = NULL;
	int r;

	if ((r = note_key(h, key)) < 0 || h->conf == NULL)
		return r;
	if ((r = config_plugin_str(h->conf, key, &found)) < 0 || found == NULL)
		return r;
	if ((found = keep_string(h, found)) == NULL)
		return -ENOMEM;
	*val = found;
	return 0;
}

int host_conf_int(struct nbs_host *table, const char *key, int64_t min, int64_t max, int64_t *val)
{
	struct host *h = host_of(table);
	int r = note_key(h, key);

	return r < 0 || h->conf == NULL ? r : config_plugin_int(h->conf, key, min, max, val);
}

int host_conf_bool(struct nbs_host *table, const char *key, int *val)
{
	struct host *h = host_of(table);
	int r = note_key(h, key);

	return r < 0 || h->conf == NULL ? r : config_plugin_bool(h->conf, key, val);
}

int host_conf_duration(struct nbs_host *table, const char *key, int64_t min, int64_t max,
                       int64_t *ms)
{
	struct host *h = host_of(table);
	int r = note_key(h, key);

	return r < 0 || h->conf == NULL ? r : config_plugin_duration(h->conf, key, min, max, ms);
}

int host_conf_size(struct nbs_host *table, const char *key, int64_t min, int64_t max,
                   int64_t *bytes)
{
	struct host *h = host_of(table);
	int r = note_key(h, key);

	return r < 0 || h->conf == NULL ? r : config_plugin_size(h->conf, key, min, max, bytes);
}

static bool has_flag(const struct host *h, const char *option, const char *key)
{
	for (size_t i = 0; i < h->n_flags; i++)
		if (strcmp(h->flags[i].option, option) == 0 && strcmp(h->flags[i].key, key) == 0)
			return true;
	return false;
}

/* Whoever asks for more keys than there are options asks for one option twice. */
static int note_flag(struct host *h, const char *option, const char *key)
{
	struct host_flag *f = &h->flags[h->n_flags];

	if (has_flag(h, option, key))
		return 0;
	if (h->n_flags == CONFIG_FLAGS_MAX) {
		log_error("plugin", "plugin %s: option --%s cannot stand for another key, %s",
		          h->name, option, key);
		return -EINVAL;
	}
	if ((f->option = keep_string(h, option)) == NULL || (f->key = keep_string(h, key)) == NULL)
		return -ENOMEM;
	h->n_flags++;
	return 0;
}

/* Only options that were given are noted: they are the same in every reload. */
int host_conf_flag(struct nbs_host *table, const char *option, const char *key)
{
	struct host *h = host_of(table);
	int r;

	if ((r = note_key(h, key)) < 0)
		return r;
	if (h->conf == NULL || config_flag_find(h->conf->flags, option, strlen(option)) == NULL)
		return -ENOENT;
	if ((r = note_flag(h, option, key)) < 0)
		return r;
	host_conf_apply_flags(h);
	return 0;
}

void host_conf_apply_flags(struct host *h)
{
	for (size_t i = 0; h->conf != NULL && i < h->n_flags; i++)
		config_plugin_flag(h->conf, h->flags[i].option, h->flags[i].key);
}

void host_conf_free(struct host *h)
{
	for (size_t i = 0; i < h->n_strings; i++)
		free(h->strings[i]);
	free(h->strings);
	free(h->keys);
}
