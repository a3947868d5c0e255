/*
 * What a reload cannot change.
 */
#include "config.h"
#include "config_listen.h"
#include "config_network.h"
#include "config_store.h"
#include "log.h"

#include <stdio.h>
#include <string.h>

static const void *field(const struct config *cfg, const struct config_key *key)
{
	return (const char *)cfg + key->offset;
}

static bool same(const struct config *old, const struct config *new, const struct config_key *key)
{
	if (key->type == CONFIG_NUMBER)
		return *(const int64_t *)field(old, key) == *(const int64_t *)field(new, key);
	if (key->type == CONFIG_CHOICE)
		return *(const int *)field(old, key) == *(const int *)field(new, key);
	return strcmp(*(const char *const *)field(old, key),
	              *(const char *const *)field(new, key)) == 0;
}

static unsigned warn_keys(const struct config *old, const struct config *new)
{
	const struct config_key *key;
	unsigned n = 0;
	size_t i;

	for (i = 0; (key = config_key_at(i)) != NULL; i++) {
		const char *where = new->store->where[i];

		if (key->reloadable || config_key_is_named(key->section) || same(old, new, key))
			continue;
		log_warn("config", "%s: [%s] %s: has changed, which needs a restart",
		         where       ? where
		         : new->file ? new->file
		                     : "built-in",
		         config_key_section(key->section), key->name);
		n++;
	}
	return n;
}

static bool same_addresses(const struct config_listener *a, const struct config_listener *b)
{
	size_t i;

	if (a->n_addresses != b->n_addresses)
		return false;
	for (i = 0; i < a->n_addresses; i++) {
		if (strcmp(a->addresses[i].text, b->addresses[i].text) != 0)
			return false;
	}
	return true;
}

static bool same_networks(const struct config_listener *a, const struct config_listener *b)
{
	size_t i;

	if (a->n_trusted != b->n_trusted)
		return false;
	for (i = 0; i < a->n_trusted; i++) {
		if (!config_network_equals(&a->trusted[i], &b->trusted[i]))
			return false;
	}
	return true;
}

static bool same_listener(const struct config_listener *a, const struct config_listener *b)
{
	return a->class == b->class && strcmp(a->http2, b->http2) == 0 && a->tls == b->tls &&
	       a->proxy_protocol == b->proxy_protocol && same_networks(a, b) &&
	       same_addresses(a, b);
}

static unsigned warn_listeners(const struct config *old, const struct config *new)
{
	const struct config_listener *l, *was;
	unsigned n = 0;

	for (l = new->listeners; l < new->listeners + new->n_listeners; l++) {
		was = config_listen_find(old, l->name);
		if (was && same_listener(was, l))
			continue;
		log_warn("config", "%s: [listener %s] %s, which needs a restart", l->where, l->name,
		         was ? "has changed" : "is new");
		n++;
	}
	for (l = old->listeners; l < old->listeners + old->n_listeners; l++) {
		if (config_listen_find(new, l->name))
			continue;
		log_warn("config", "%s: [listener %s] is gone, which needs a restart", l->where,
		         l->name);
		n++;
	}
	return n;
}

unsigned config_warn_restart(const struct config *old, const struct config *new)
{
	return warn_keys(old, new) + warn_listeners(old, new);
}
