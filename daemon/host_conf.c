/* A plugin's section of the configuration: what conf_*() read, and which keys it knows. */
#include "host_private.h"

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

void host_conf_free(struct host *h)
{
	for (size_t i = 0; i < h->n_strings; i++)
		free(h->strings[i]);
	free(h->strings);
	free(h->keys);
}
