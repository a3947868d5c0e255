/*
 * The keys of [plugin grpc].  None of them can change while the plugin runs: C core reads its
 * channel arguments when the server is created.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdint.h>

struct nbs_host;

struct config {
	int64_t keepalive_time, keepalive_timeout; /* milliseconds */
	int64_t max_concurrent_streams;            /* per connection */
	int64_t max_metadata_size;                 /* bytes per call */
	int64_t memory_limit;                      /* bytes; 0: derived from max-connections */
	int64_t max_health_watchers;
};

/* [main] Defaults, then the configuration.  -EINVAL: a bad value, logged by the host. */
int config_read(struct config *conf, struct nbs_host *host);
/* [main] Warns of each key that is not as it was at the start. */
void config_warn_restart(const struct config *running, const struct config *file,
                         struct nbs_host *host);

#endif
