/*
 * For tests: certificates out of files, provided at the start and by order.
 *
 * Keys: chain, key (PEM files of the certificate "main", provided in start(); empty: none),
 * fallback (yes: it is one), server-name, alpn (of it; empty: none).
 *
 * POST /certs/provide?name=X&chain=FILE&key=FILE, with fallback=1, server-name=N, alpn=P if wanted,
 * and POST /certs/withdraw?name=X, both of class admin only: the answer is 202, and what came of it
 * is said in a line "provide name=X result=R" when the main thread has done it.
 */
#include <netbird-signal/plugin.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

NBS_PLUGIN_NOTE;

#define FILE_MAX (2 * 1024 * 1024) /* more than the daemon takes */

struct certs {
	struct nbs_host *host;
	const char *chain, *key, *server_name, *alpn;
	int fallback;
};

/* What is to be provided, or, without files, withdrawn. */
struct order {
	struct certs *certs;
	char name[128], chain[512], key[512], server_name[256], alpn[64];
	int fallback;
};

static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	char *bytes = f != NULL ? malloc(FILE_MAX) : NULL;

	*len = bytes != NULL ? fread(bytes, 1, FILE_MAX, f) : 0;
	if (f != NULL)
		fclose(f);
	return bytes;
}

static const char *unless_empty(const char *text)
{
	return *text != '\0' ? text : NULL;
}

static int provide(const struct order *o)
{
	struct nbs_host *host = o->certs->host;
	struct nbs_cert cert = {.size = sizeof(cert),
	                        .name = o->name,
	                        .server_name = unless_empty(o->server_name),
	                        .alpn = unless_empty(o->alpn),
	                        .flags = o->fallback ? NBS_CERT_FALLBACK : 0};
	char *chain = read_file(o->chain, &cert.chain_len), *key = read_file(o->key, &cert.key_len);
	int r = -ENOENT;

	cert.chain = chain;
	cert.key = key;
	if (chain != NULL && key != NULL)
		r = host->cert_provide(host, &cert);
	free(chain);
	free(key);
	return r;
}

static void carry_out(void *arg)
{
	struct order *o = arg;
	struct nbs_host *host = o->certs->host;

	if (o->chain[0] != '\0')
		host->log(host, NBS_INFO, "provide name=%s result=%d", o->name, provide(o));
	else
		host->log(host, NBS_INFO, "withdraw name=%s result=%d", o->name,
		          host->cert_withdraw(host, o->name));
	free(o);
}

static void query(struct nbs_request *rq, const struct certs *c, const char *name, char *value,
                  size_t size)
{
	if (c->host->request_query(rq, name, value, size) < 0)
		*value = '\0';
}

static void take_order(void *arg, struct nbs_request *rq)
{
	struct order *o = calloc(1, sizeof(*o));
	struct certs *c = arg;
	char flag[2];

	if (o == NULL)
		return;
	o->certs = c;
	query(rq, c, "name", o->name, sizeof(o->name));
	query(rq, c, "chain", o->chain, sizeof(o->chain));
	query(rq, c, "key", o->key, sizeof(o->key));
	query(rq, c, "server-name", o->server_name, sizeof(o->server_name));
	query(rq, c, "alpn", o->alpn, sizeof(o->alpn));
	query(rq, c, "fallback", flag, sizeof(flag));
	o->fallback = *flag == '1';
	if (c->host->post(c->host, carry_out, o) < 0) {
		free(o);
		return;
	}
	c->host->request_reply(rq, 202, "text/plain", NULL, "", 0);
}

static const struct nbs_route routes[] = {
    {sizeof(*routes), "POST", "/certs/provide", NBS_ADMIN, 0, take_order},
    {sizeof(*routes), "POST", "/certs/withdraw", NBS_ADMIN, 0, take_order},
};

static int read_keys(struct certs *c)
{
	struct nbs_host *host = c->host;
	int r;

	c->chain = c->key = c->server_name = c->alpn = "";
	if ((r = host->conf_str(host, "chain", &c->chain)) < 0 ||
	    (r = host->conf_str(host, "key", &c->key)) < 0 ||
	    (r = host->conf_str(host, "server-name", &c->server_name)) < 0 ||
	    (r = host->conf_str(host, "alpn", &c->alpn)) < 0)
		return r;
	return host->conf_bool(host, "fallback", &c->fallback);
}

static int certs_init(struct nbs_host *host, void **self)
{
	struct certs *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return -ENOMEM;
	c->host = host;
	r = read_keys(c);
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes) && r == 0; i++)
		r = host->route_register(host, &routes[i], c);
	if (r < 0) {
		free(c);
		return r;
	}
	*self = c;
	return 0;
}

static int certs_start(void *self)
{
	struct certs *c = self;
	struct order o = {.certs = c, .name = "main", .fallback = c->fallback};

	if (*c->chain == '\0')
		return 0;
	snprintf(o.chain, sizeof(o.chain), "%s", c->chain);
	snprintf(o.key, sizeof(o.key), "%s", c->key);
	snprintf(o.server_name, sizeof(o.server_name), "%s", c->server_name);
	snprintf(o.alpn, sizeof(o.alpn), "%s", c->alpn);
	return provide(&o);
}

static void certs_destroy(void *self)
{
	free(self);
}

const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,    .name = "certs",      .version = "1.0",
    .init = certs_init, .start = certs_start, .destroy = certs_destroy,
};
