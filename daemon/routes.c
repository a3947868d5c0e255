/* Two lists that are written before the HTTP thread runs and only read afterwards; they are short,
 * so each request walks one. */
#include "routes.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUTE_CLASSES (NBS_PUBLIC | NBS_ADMIN | NBS_CHALLENGE)
#define WS_CLASSES (NBS_PUBLIC | NBS_ADMIN)

struct routes {
	struct route *routes;
	size_t n_routes;
	struct ws_path *ws;
	size_t n_ws;
};

/* In this order they stand in Allow. */
static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};

int routes_open(struct routes **out)
{
	*out = calloc(1, sizeof(**out));
	return *out != NULL ? 0 : -ENOMEM;
}

void routes_close(struct routes *routes)
{
	if (routes == NULL)
		return;
	free(routes->routes);
	free(routes->ws);
	free(routes);
}

static bool known_method(const char *method)
{
	for (size_t i = 0; method != NULL && i < sizeof(methods) / sizeof(*methods); i++)
		if (strcmp(method, methods[i]) == 0)
			return true;
	return false;
}

static bool valid_place(const char *path, unsigned classes, unsigned allowed)
{
	return path != NULL && *path == '/' && classes != 0 && (classes & ~allowed) == 0;
}

int routes_add(struct routes *routes, const char *owner, const struct nbs_route *ops, void *arg)
{
	struct route *grown;

	if (!NBS_HAS(struct nbs_route, ops, handle) || ops->handle == NULL ||
	    !known_method(ops->method) || !valid_place(ops->path, ops->classes, ROUTE_CLASSES))
		return -EINVAL;
	for (size_t i = 0; i < routes->n_routes; i++) {
		const struct nbs_route *other = routes->routes[i].ops;

		if (strcmp(other->path, ops->path) == 0 &&
		    strcmp(other->method, ops->method) == 0 && (other->classes & ops->classes) != 0)
			return -EEXIST;
	}
	grown = realloc(routes->routes, (routes->n_routes + 1) * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	routes->routes = grown;
	grown[routes->n_routes++] = (struct route){owner, ops, arg};
	return 0;
}

int routes_add_ws(struct routes *routes, const char *owner, const struct nbs_ws_path *ops,
                  void *arg)
{
	struct ws_path *grown;

	if (!NBS_HAS(struct nbs_ws_path, ops, open) || ops->open == NULL ||
	    !valid_place(ops->path, ops->classes, WS_CLASSES) ||
	    (ops->subprotocol != NULL && *ops->subprotocol == '\0'))
		return -EINVAL;
	for (size_t i = 0; i < routes->n_ws; i++) {
		const struct nbs_ws_path *other = routes->ws[i].ops;

		if (strcmp(other->path, ops->path) == 0 && (other->classes & ops->classes) != 0)
			return -EEXIST;
	}
	grown = realloc(routes->ws, (routes->n_ws + 1) * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	routes->ws = grown;
	grown[routes->n_ws++] = (struct ws_path){owner, ops, arg};
	return 0;
}

/* How much of `path` the pattern covers; 0: it does not match. */
static size_t matches(const char *pattern, const char *path)
{
	const size_t len = strlen(pattern);

	if (strcmp(pattern, path) == 0)
		return len + 1; /* the whole path, which beats the same text as a prefix */
	return pattern[len - 1] == '/' && strncmp(pattern, path, len) == 0 ? len : 0;
}

static const struct route *find_best(const struct routes *routes, const char *method,
                                     const char *path, unsigned class)
{
	const struct route *best = NULL;
	size_t best_len = 0;

	for (size_t i = 0; i < routes->n_routes; i++) {
		const struct route *r = &routes->routes[i];
		size_t len;

		if ((r->ops->classes & class) == 0 || strcmp(r->ops->method, method) != 0)
			continue;
		if ((len = matches(r->ops->path, path)) > best_len) {
			best = r;
			best_len = len;
		}
	}
	return best;
}

static void list_methods(const struct routes *routes, const char *path, unsigned class, char *allow,
                         size_t size)
{
	size_t len = 0;

	*allow = '\0';
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		int n;

		if (find_best(routes, methods[i], path, class) == NULL)
			continue;
		n = snprintf(allow + len, size - len, "%s%s", len > 0 ? ", " : "",
		             i == 0 ? "GET, HEAD" : methods[i]);
		if (n < 0 || (size_t)n >= size - len)
			return;
		len += (size_t)n;
	}
}

const struct route *routes_find(const struct routes *routes, const char *method, const char *path,
                                unsigned class, char *allow, size_t allow_size)
{
	const char *served = strcmp(method, "HEAD") == 0 ? "GET" : method;
	const struct route *found = find_best(routes, served, path, class);

	if (found == NULL)
		list_methods(routes, path, class, allow, allow_size);
	return found;
}

const struct ws_path *routes_find_ws(const struct routes *routes, const char *path, unsigned class)
{
	for (size_t i = 0; i < routes->n_ws; i++)
		if ((routes->ws[i].ops->classes & class) != 0 &&
		    strcmp(routes->ws[i].ops->path, path) == 0)
			return &routes->ws[i];
	return NULL;
}
