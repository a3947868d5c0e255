/*
 * The keys of [plugin websocket].  None of them can change while the plugin runs.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdint.h>

struct nbs_host;

struct config {
	int64_t message_timeout; /* milliseconds from the first piece of a message to its last */
	int64_t receive_memory;  /* bytes for all messages that are half here */
};

/* [main] Defaults, then the configuration.  -EINVAL: a bad value, logged by the host. */
int config_read(struct config *conf, struct nbs_host *host);
/* [main] Warns of each key that is not as it was at the start. */
void config_warn_restart(const struct config *running, const struct config *file,
                         struct nbs_host *host);

#endif
