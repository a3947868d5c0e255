/*
 * A plugin that was built against a later header of the same ABI (made by suite.mk): its entry is
 * larger than this daemon knows, and it looks before it uses what an older daemon has not got.
 */
#include <netbird-signal/plugin.h>

NBS_PLUGIN_NOTE;

static int future_init(struct nbs_host *host, void **self)
{
	*self = host;
	host->log(host, NBS_INFO, "the host has later(): %d",
	          (int)NBS_HAS(struct nbs_host, host, later));
	return 0;
}

static void future_later(void *self)
{
	struct nbs_host *host = self;

	host->log(host, NBS_ERROR, "later() was called by a daemon that cannot know it");
}

static void future_destroy(void *self)
{
	(void)self;
}

const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,     .name = "future",          .version = "9.0",
    .init = future_init, .destroy = future_destroy, .later = future_later,
};
