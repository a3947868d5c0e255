/*
 * Routes and WebSocket paths that plugins and the daemon registered.  Written in init() on the
 * main thread, read afterwards by the HTTP thread.
 */
#ifndef ROUTES_H
#define ROUTES_H

#include <netbird-signal/plugin.h>

struct route {
	const char *owner; /* the plugin, for the log */
	const struct nbs_route *ops;
	void *arg;
};

struct ws_path {
	const char *owner;
	const struct nbs_ws_path *ops;
	void *arg;
};

struct routes;

int routes_open(struct routes **out);
void routes_close(struct routes *routes);

/* [main] -EINVAL: a path without slash, a method that is none of the four, no class, no handler,
 * an open() that is missing, a WebSocket path of class challenge; -EEXIST; -ENOMEM.  Everything is
 * KEPT. */
int routes_add(struct routes *routes, const char *owner, const struct nbs_route *ops, void *arg);
int routes_add_ws(struct routes *routes, const char *owner, const struct nbs_ws_path *ops,
                  void *arg);

/* [any] The route for a request; GET serves HEAD.  NULL: none, and *allow is "" if the path is
 * unknown in this class, or else the methods it has, "GET, HEAD", for a 405. */
const struct route *routes_find(const struct routes *routes, const char *method, const char *path,
                                unsigned class, char *allow, size_t allow_size);
/* [any] The WebSocket path, or NULL. */
const struct ws_path *routes_find_ws(const struct routes *routes, const char *path, unsigned class);

#endif
