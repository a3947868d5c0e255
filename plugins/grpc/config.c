/* The keys of [plugin grpc]: read, and compared at a reload. */
#include "config.h"

#include <netbird-signal/plugin.h>

#include <stddef.h>

enum kind { DURATION, SIZE, NUMBER };

static const struct key {
	const char *name;
	enum kind kind;
	size_t offset;
	int64_t initial, min, max;
} keys[] = {
    {"keepalive-time", DURATION, offsetof(struct config, keepalive_time), 45000, 1000, 7200000},
    {"keepalive-timeout", DURATION, offsetof(struct config, keepalive_timeout), 20000, 1000,
     600000},
    {"max-concurrent-streams", NUMBER, offsetof(struct config, max_concurrent_streams), 1000, 1,
     100000},
    {"max-metadata-size", SIZE, offsetof(struct config, max_metadata_size), 8192, 1024, 65536},
    {"memory-limit", SIZE, offsetof(struct config, memory_limit), 0, 0, INT64_C(1) << 40},
    {"max-health-watchers", NUMBER, offsetof(struct config, max_health_watchers), 100, 0, 100000},
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static int64_t *value_of(struct config *conf, const struct key *key)
{
	return (int64_t *)((char *)conf + key->offset);
}

static int read_key(struct nbs_host *host, const struct key *key, int64_t *value)
{
	switch (key->kind) {
	case DURATION:
		return host->conf_duration(host, key->name, key->min, key->max, value);
	case SIZE:
		return host->conf_size(host, key->name, key->min, key->max, value);
	case NUMBER:
		break;
	}
	return host->conf_int(host, key->name, key->min, key->max, value);
}

int config_read(struct config *conf, struct nbs_host *host)
{
	int first = 0;

	/* A bad value does not end the loop: all of them are to be named in one go. */
	for (size_t i = 0; i < KEYS; i++) {
		int64_t *value = value_of(conf, &keys[i]);
		int r;

		*value = keys[i].initial;
		r = read_key(host, &keys[i], value);
		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

void config_warn_restart(const struct config *running, const struct config *file,
                         struct nbs_host *host)
{
	for (size_t i = 0; i < KEYS; i++) {
		int64_t is = *value_of((struct config *)running, &keys[i]);
		int64_t will = *value_of((struct config *)file, &keys[i]);

		if (is != will)
			host->log(host, NBS_WARN, "needs a restart to take effect: key=%s",
			          keys[i].name);
	}
}
