/* Between host.c and host_conf.c. */
#ifndef HOST_PRIVATE_H
#define HOST_PRIVATE_H

#include "config.h"
#include "host.h"

#include <stdatomic.h>

struct host {
	struct nbs_host table; /* first: a plugin's pointer is ours */
	const struct host_core *core;
	char name[CONFIG_NAME_MAX];
	struct config_plugin *conf;
	bool may_register;
	atomic_uint leases;
	char **strings; /* what conf_str() gave out, and the keys that init() asked for */
	size_t n_strings;
	const char **keys; /* of these the keys */
	size_t n_keys;
	struct host_flag { /* what conf_flag() was asked for; a new section gets it as well */
		const char *option, *key;
	} flags[CONFIG_FLAGS_MAX];
	size_t n_flags;
};

/* The table that a plugin has is the host. */
static inline struct host *host_of(struct nbs_host *table)
{
	return (struct host *)table;
}

/* nbs_host.conf_*; the strings and keys are freed by host_conf_free(). */
int host_conf_str(struct nbs_host *table, const char *key, const char **val);
int host_conf_int(struct nbs_host *table, const char *key, int64_t min, int64_t max, int64_t *val);
int host_conf_bool(struct nbs_host *table, const char *key, int *val);
int host_conf_duration(struct nbs_host *table, const char *key, int64_t min, int64_t max,
                       int64_t *ms);
int host_conf_size(struct nbs_host *table, const char *key, int64_t min, int64_t max,
                   int64_t *bytes);
int host_conf_flag(struct nbs_host *table, const char *option, const char *key);
/* After h->conf was set. */
void host_conf_apply_flags(struct host *h);
void host_conf_free(struct host *h);

#endif
