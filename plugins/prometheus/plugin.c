/*
 * Metrics for Prometheus: what the daemon calls, and the life cycle.  There is no thread; a scrape
 * is a request like any other.
 */
#include "scrape.h"

#include <netbird-signal/plugin.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int register_listener(const struct scrape *s)
{
	struct nbs_listener listener = {.size = sizeof(listener),
	                                .name = "metrics",
	                                .classes = NBS_ADMIN,
	                                .flags = s->settings.chosen ? 0 : NBS_LISTENER_OPTIONAL};
	char *addresses;
	int r = settings_listen(&s->settings, s->host, &addresses);

	if (r < 0)
		return r;
	listener.addresses = addresses;
	if (*addresses != '\0')
		r = s->host->listener_register(s->host, &listener);
	free(addresses);
	return r;
}

static int prometheus_init(struct nbs_host *host, void **self)
{
	struct scrape *s;
	int r;

	if (!NBS_HAS(struct nbs_host, host, conf_flag)) {
		host->log(host, NBS_ERROR, "this daemon is too old: plugins have no listeners");
		return -ENOTSUP;
	}
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return -ENOMEM;
	s->host = host;
	if ((r = settings_read(&s->settings, host)) < 0 || (r = scrape_metrics(s)) < 0 ||
	    (r = register_listener(s)) < 0 ||
	    (r = host->route_register(host, &scrape_route, s)) < 0) {
		free(s);
		return r;
	}
	*self = s;
	return 0;
}

static int prometheus_start(void *self)
{
	struct scrape *s = self;
	const int r = process_open(&s->process);

	if (r < 0)
		s->host->log(s->host, NBS_WARN,
		             "/proc/self/stat cannot be read, so there are few "
		             "process_* metrics: %s",
		             strerror(-r));
	return 0;
}

static int prometheus_reload_prepare(void *self)
{
	struct scrape *s = self;
	struct settings file;
	int r;

	if ((r = settings_read(&file, s->host)) < 0)
		return r;
	settings_warn_restart(&s->settings, &file, s->host);
	return 0;
}

static void prometheus_destroy(void *self)
{
	free(self);
}

NBS_PLUGIN_NOTE;

NBS_EXPORT const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,
    .name = "prometheus",
    .version = VERSION,
    .init = prometheus_init,
    .start = prometheus_start,
    .reload_prepare = prometheus_reload_prepare,
    .destroy = prometheus_destroy,
};
