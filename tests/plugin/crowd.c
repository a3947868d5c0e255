/*
 * For tests: a crowd of peers without connections.  Once the daemon runs, `peers` (key, 1 to
 * 1000000) of them are registered, "crowd-1" and so on.  What they are sent stays in their
 * mailboxes.
 */
#include <netbird-signal/plugin.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

NBS_PLUGIN_NOTE;

struct crowd {
	struct nbs_host *host;
	int64_t n;
	struct nbs_peer **leases; /* NULL from where registering failed on */
};

static void registered(void *cookie, int verdict, const char *why)
{
	struct crowd *c = cookie;

	if (verdict < 0)
		c->host->log(c->host, NBS_ERROR, "refused: %s", why);
}

static void wake(void *cookie)
{
	(void)cookie;
}

static void hangup(void *cookie, enum nbs_reason why)
{
	(void)cookie;
	(void)why;
}

static const struct nbs_peer_ops ops = {
    .size = sizeof(ops), .registered = registered, .wake = wake, .hangup = hangup};

/* [main], after all start() have returned. */
static void come(void *arg)
{
	struct crowd *c = arg;
	char id[32];
	int r = 0;

	for (int64_t i = 0; i < c->n && r == 0; i++) {
		const int len = snprintf(id, sizeof(id), "crowd-%lld", (long long)i + 1);

		r = c->host->peer_register(c->host, id, (size_t)len, &ops, c, &c->leases[i]);
	}
	if (r < 0)
		c->host->log(c->host, NBS_ERROR, "cannot register: errno=%d", -r);
}

static int crowd_init(struct nbs_host *host, void **self)
{
	struct crowd *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return -ENOMEM;
	c->host = host;
	c->n = 1;
	if ((r = host->conf_int(host, "peers", 1, 1000000, &c->n)) < 0)
		goto err0;
	r = -ENOMEM;
	if ((c->leases = calloc((size_t)c->n, sizeof(*c->leases))) == NULL)
		goto err0;
	*self = c;
	return 0;
err0:
	free(c);
	return r;
}

static int crowd_start(void *self)
{
	struct crowd *c = self;

	return c->host->post(c->host, come, c);
}

static int crowd_stop(void *self, unsigned grace_ms)
{
	struct crowd *c = self;

	(void)grace_ms;
	for (int64_t i = 0; i < c->n && c->leases[i] != NULL; i++)
		c->host->peer_deregister(c->leases[i]);
	return 0;
}

static void crowd_destroy(void *self)
{
	struct crowd *c = self;

	free(c->leases);
	free(c);
}

const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,      .name = "crowd",    .version = "1.0",         .init = crowd_init,
    .start = crowd_start, .stop = crowd_stop, .destroy = crowd_destroy,
};
