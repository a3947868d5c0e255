/*
 * For tests: listeners that a plugin brings, one of each class, and routes to tell them apart.
 *
 * Keys: public, admin, challenge (addresses; empty: no such listener; they are called
 * from-plugin-public and so on), name (of the public one instead), http2, plaintext, optional
 * (flags of all of them), port (of the admin one on 127.0.0.1, in place of its addresses;
 * --metrics-port stands for it; what it is is said at start and in each reload).
 *
 * Routes: GET /declared/public, /declared/admin, /declared/challenge, each of its class, and
 * /declared/all of all three; the answer says which listener and class it came to.
 */
#include <netbird-signal/plugin.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

NBS_PLUGIN_NOTE;

#define NO_PORT (-1)

struct declared {
	struct nbs_host *host;
	const char *public, *admin, *challenge, *name;
	int http2, plaintext, optional;
	int64_t port;
};

static void where(void *arg, struct nbs_request *rq)
{
	struct nbs_conn_about about = {.size = sizeof(about)};
	struct declared *d = arg;
	char text[128];

	d->host->request_conn(rq, &about);
	snprintf(text, sizeof(text), "listener=%s admin=%d tls=%s\n", about.listener, about.admin,
	         about.tls);
	d->host->request_reply(rq, 200, "text/plain", NULL, text, strlen(text));
}

#define ALL (NBS_PUBLIC | NBS_ADMIN | NBS_CHALLENGE)

static const struct nbs_route routes[] = {
    {sizeof(*routes), "GET", "/declared/public", NBS_PUBLIC, 0, where},
    {sizeof(*routes), "GET", "/declared/admin", NBS_ADMIN, 0, where},
    {sizeof(*routes), "GET", "/declared/challenge", NBS_CHALLENGE, 0, where},
    {sizeof(*routes), "GET", "/declared/all", ALL, 0, where},
};

static int read_port(struct declared *d)
{
	int flag = d->host->conf_flag(d->host, "metrics-port", "port");

	d->port = NO_PORT;
	if ((flag < 0 && flag != -ENOENT) ||
	    d->host->conf_int(d->host, "port", 0, 65535, &d->port) < 0)
		return -EINVAL;
	d->host->log(d->host, NBS_INFO, "port=%d by=%s", (int)d->port, flag == 0 ? "flag" : "file");
	return 0;
}

static int read_keys(struct declared *d)
{
	struct nbs_host *host = d->host;
	int r;

	d->public = d->admin = d->challenge = "";
	d->name = "from-plugin-public";
	if ((r = host->conf_str(host, "public", &d->public)) < 0 ||
	    (r = host->conf_str(host, "admin", &d->admin)) < 0 ||
	    (r = host->conf_str(host, "challenge", &d->challenge)) < 0 ||
	    (r = host->conf_str(host, "name", &d->name)) < 0 ||
	    (r = host->conf_bool(host, "http2", &d->http2)) < 0 ||
	    (r = host->conf_bool(host, "plaintext", &d->plaintext)) < 0 ||
	    (r = host->conf_bool(host, "optional", &d->optional)) < 0)
		return r;
	return read_port(d);
}

static int bring(struct declared *d, const char *name, const char *addresses, unsigned class)
{
	struct nbs_listener l = {
	    .size = sizeof(l), .name = name, .addresses = addresses, .classes = class};

	if (*addresses == '\0')
		return 0;
	l.flags = (d->http2 ? NBS_LISTENER_HTTP2 : 0) |
	          (d->plaintext ? NBS_LISTENER_PLAINTEXT : 0) |
	          (d->optional ? NBS_LISTENER_OPTIONAL : 0);
	return d->host->listener_register(d->host, &l);
}

static int register_all(struct declared *d)
{
	char address[32];
	int r;

	if (d->port != NO_PORT) {
		snprintf(address, sizeof(address), "127.0.0.1:%d", (int)d->port);
		d->admin = address; /* the host copies it */
	}
	if ((r = bring(d, d->name, d->public, NBS_PUBLIC)) < 0 ||
	    (r = bring(d, "from-plugin-admin", d->admin, NBS_ADMIN)) < 0 ||
	    (r = bring(d, "from-plugin-challenge", d->challenge, NBS_CHALLENGE)) < 0)
		return r;
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes) && r == 0; i++)
		r = d->host->route_register(d->host, &routes[i], d);
	return r;
}

static int declared_init(struct nbs_host *host, void **self)
{
	struct declared *d = calloc(1, sizeof(*d));
	int r;

	if (d == NULL)
		return -ENOMEM;
	d->host = host;
	if ((r = read_keys(d)) < 0 || (r = register_all(d)) < 0) {
		free(d);
		return r;
	}
	*self = d;
	return 0;
}

static int declared_reload_prepare(void *self)
{
	return read_port(self);
}

static void declared_destroy(void *self)
{
	free(self);
}

const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,
    .name = "declared",
    .version = "1.0",
    .init = declared_init,
    .reload_prepare = declared_reload_prepare,
    .destroy = declared_destroy,
};
