/*
 * Peers over WebSocket: what the daemon calls, and the life cycle.
 */
#include "clock.h"
#include "light.h"
#include "transport.h"
#include "tunnel.h"

#include <netbird-signal/plugin.h>

#include <errno.h>
#include <stdlib.h>

/* How long tunnels stay when the daemon stops, for what the peers inside are told to arrive. */
#define TUNNEL_LINGER 250 /* ms */
/* Leases end without any client's help; this is for a busy machine. */
#define LEASES_WAIT 2000 /* ms */

static int register_paths(struct transport *t)
{
	int r = t->host->ws_register(t->host, &light_path, t);

	return r < 0 ? r : t->host->ws_register(t->host, &tunnel_path, t);
}

static int websocket_init(struct nbs_host *host, void **self)
{
	struct nbs_limits limits = {.size = sizeof(limits)};
	struct transport *t;
	int r;

	if (!NBS_HAS(struct nbs_host, host, carried_end)) {
		host->log(host, NBS_ERROR, "this daemon is too old: it has no WebSockets");
		return -ENOTSUP;
	}
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return -ENOMEM;
	t->host = host;
	host->limits(host, &limits);
	if ((r = config_read(&t->config, host)) < 0)
		goto err0;
	if ((r = metrics_open(&t->metrics, host)) < 0)
		goto err0;
	receive_open(&t->receive, host, limits.max_message, (size_t)t->config.receive_memory,
	             t->config.message_timeout);
	sockets_open(&t->sockets, host);
	if ((r = register_paths(t)) < 0)
		goto err1;
	*self = t;
	return 0;
err1:
	sockets_close(&t->sockets);
	receive_close(&t->receive);
err0:
	free(t);
	return r;
}

static int websocket_start(void *self)
{
	struct transport *t = self;
	int r;

	if ((r = receive_start(&t->receive)) < 0) {
		t->host->log(t->host, NBS_ERROR, "cannot start a thread: errno=%d", -r);
		return r;
	}
	t->host->log(t->host, NBS_INFO, "worst case: messages being received memory_mib=%lld",
	             (long long)(t->config.receive_memory >> 20));
	return 0;
}

static int websocket_reload_prepare(void *self)
{
	struct transport *t = self;
	struct config file;
	int r;

	if ((r = config_read(&file, t->host)) < 0)
		return r;
	config_warn_restart(&t->config, &file, t->host);
	return 0;
}

static void websocket_drain(void *self)
{
	sockets_drain(&((struct transport *)self)->sockets);
}

/* The peers have been hung up: those that read what they are sent end by themselves in the first
 * half of the grace.  The second is for close frames; who does not answer them is the daemon's. */
static int websocket_stop(void *self, unsigned grace_ms)
{
	struct sockets *s = &((struct transport *)self)->sockets;
	const int64_t now = clock_now(), half = now + grace_ms / 2, over = now + grace_ms;

	sockets_drain(s);
	sockets_wait(s, now + TUNNEL_LINGER < half ? now + TUNNEL_LINGER : half);
	sockets_tell(s, SOCKET_TUNNEL);
	sockets_wait(s, half);
	sockets_tell(s, SOCKET_LIGHT);
	sockets_wait_leases(s, over > clock_now() + LEASES_WAIT ? over : clock_now() + LEASES_WAIT);
	sockets_wait(s, over);
	receive_stop(&((struct transport *)self)->receive);
	return 0;
}

static void websocket_destroy(void *self)
{
	struct transport *t = self;

	sockets_close(&t->sockets);
	receive_close(&t->receive);
	free(t);
}

NBS_PLUGIN_NOTE;

NBS_EXPORT const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,          .name = "websocket",      .version = VERSION,
    .init = websocket_init,   .start = websocket_start, .reload_prepare = websocket_reload_prepare,
    .drain = websocket_drain, .stop = websocket_stop,   .destroy = websocket_destroy,
};
