/* The keys of [plugin websocket]. */
#include "config.h"

#include <netbird-signal/plugin.h>

#define MESSAGE_TIMEOUT "message-timeout"
#define RECEIVE_MEMORY "receive-memory"

int config_read(struct config *conf, struct nbs_host *host)
{
	struct nbs_limits limits = {.size = sizeof(limits)};
	int timeout, memory;

	host->limits(host, &limits);
	*conf = (struct config){.message_timeout = 30000, .receive_memory = 64 << 20};
	/* Both, so that all bad values are named in one go. */
	timeout = host->conf_duration(host, MESSAGE_TIMEOUT, 1000, 600000, &conf->message_timeout);
	memory = host->conf_size(host, RECEIVE_MEMORY, (int64_t)limits.max_message,
	                         INT64_C(1) << 40, &conf->receive_memory);
	return timeout < 0 ? timeout : memory;
}

static void warn_restart(struct nbs_host *host, const char *key, int64_t is, int64_t will)
{
	if (is != will)
		host->log(host, NBS_WARN, "needs a restart to take effect: key=%s", key);
}

void config_warn_restart(const struct config *running, const struct config *file,
                         struct nbs_host *host)
{
	warn_restart(host, MESSAGE_TIMEOUT, running->message_timeout, file->message_timeout);
	warn_restart(host, RECEIVE_MEMORY, running->receive_memory, file->receive_memory);
}
