/* Listeners out of the configuration and of what plugins declared, and their sockets. */
#include "listener_private.h"

#include "declared.h"
#include "listen_socket.h"
#include "log.h"
#include "metrics.h"
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t count_addresses(const struct config *cfg, const struct declared *declared)
{
	size_t n = 0;

	for (size_t i = 0; i < cfg->n_listeners; i++)
		n += cfg->listeners[i].n_addresses;
	for (size_t i = 0; i < declared_count(declared); i++)
		n += declared_at(declared, i)->conf.n_addresses;
	return n;
}

/* Who takes HTTP/2 on the listener; NULL: nobody. */
static int find_http2(const struct config_listener *l, struct services *services,
                      struct service **out)
{
	*out = NULL;
	if (l->class == CONFIG_CHALLENGE || strcmp(l->http2, CONFIG_HTTP2_OFF) == 0)
		return 0;
	*out = services_find(services, "h2", l->http2);
	if (*out == NULL && *l->http2 != '\0') {
		log_error("listener",
		          "[listener %s] http2: expected a plugin that serves HTTP/2, got \"%s\"",
		          l->name, l->http2);
		return -EINVAL;
	}
	if (*out == NULL)
		log_warn("listener", "[listener %s]: no plugin serves HTTP/2", l->name);
	return 0;
}

/* `plugin` brought it, or "" the configuration. */
static int add_listener(struct listeners *all, const struct config_listener *l, const char *plugin,
                        bool optional, struct services *services)
{
	struct service *http2;
	int r;

	if ((r = find_http2(l, services, &http2)) < 0)
		return r;
	for (size_t i = 0; i < l->n_addresses; i++) {
		struct listening *s = &all->sockets[all->n++];

		s->source.fd = -1;
		s->all = all;
		s->plugin = plugin;
		s->optional = optional;
		s->address = l->addresses[i];
		s->origin = (struct conn_origin){.class = NBS_PUBLIC << l->class,
		                                 .http2 = http2,
		                                 .plaintext = l->tls != CONFIG_TLS_REQUIRED,
		                                 .tls = l->tls != CONFIG_TLS_OFF,
		                                 .proxy_protocol = l->proxy_protocol,
		                                 .trusted = l->trusted,
		                                 .n_trusted = l->n_trusted};
		snprintf(s->origin.listener, sizeof(s->origin.listener), "%s", l->name);
	}
	return 0;
}

static int add_listeners(struct listeners *all, const struct config *cfg,
                         const struct declared *declared, struct services *services)
{
	int r;

	for (size_t i = 0; i < cfg->n_listeners; i++)
		if ((r = add_listener(all, &cfg->listeners[i], "", false, services)) < 0)
			return r;
	for (size_t i = 0; i < declared_count(declared); i++) {
		const struct declared_listener *d = declared_at(declared, i);

		if (d->conf.n_addresses > 0 &&
		    (r = add_listener(all, &d->conf, d->plugin, d->optional, services)) < 0)
			return r;
	}
	return 0;
}

int listeners_open(struct listeners **out, const struct config *cfg, struct declared *declared,
                   struct services *services, struct metrics *metrics)
{
	const struct nbs_metric_desc paused = {
	    .size = sizeof(paused),
	    .kind = NBS_COUNTER,
	    .name = "listener_pauses_total",
	    .help = "How often accepting paused because of a limit or a lack of descriptors."};
	struct listeners *all;
	int r;

	declared_settle(declared, cfg);
	all = calloc(1, sizeof(*all) + count_addresses(cfg, declared) * sizeof(struct listening));
	if (all == NULL)
		return -ENOMEM;
	pthread_mutex_init(&all->lock, NULL);
	if ((r = metrics_register(metrics, &paused, &all->paused_total)) < 0 ||
	    (r = add_listeners(all, cfg, declared, services)) < 0) {
		listeners_close(all);
		return r;
	}
	*out = all;
	return 0;
}

int listeners_bind(struct listeners *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct listening *s = &all->sockets[i];
		int r = listen_socket_open(&s->address);

		if (r >= 0) {
			s->source.fd = r;
			continue;
		}
		log_line(s->optional ? NBS_WARN : NBS_ERROR, "listener",
		         "%s%s%s[listener %s] cannot listen on %s: %s",
		         *s->plugin != '\0' ? "plugin " : "", s->plugin,
		         *s->plugin != '\0' ? ": " : "", s->origin.listener, s->address.text,
		         strerror(-r));
		if (!s->optional)
			return r;
	}
	return 0;
}
