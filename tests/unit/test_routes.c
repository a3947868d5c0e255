/* Routes and WebSocket paths: what is taken, and which one is found. */
#include "routes.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

static struct routes *routes;

static void set_up(void)
{
	cr_assert_eq(routes_open(&routes), 0);
}

static void tear_down(void)
{
	routes_close(routes);
}

TestSuite(routes, .init = set_up, .fini = tear_down);

static void handle(void *arg, struct nbs_request *request)
{
	(void)arg;
	(void)request;
}

static int open_ws(void *arg, struct nbs_ws *ws, const struct nbs_ws_ops **ops, void **cookie)
{
	(void)arg;
	(void)ws;
	(void)ops;
	(void)cookie;
	return 0;
}

#define ROUTE(m, p, c)                                        \
	((struct nbs_route){.size = sizeof(struct nbs_route), \
	                    .method = (m),                    \
	                    .path = (p),                      \
	                    .classes = (c),                   \
	                    .handle = handle})
#define PATH(p, s, c)                                             \
	((struct nbs_ws_path){.size = sizeof(struct nbs_ws_path), \
	                      .path = (p),                        \
	                      .subprotocol = (s),                 \
	                      .classes = (c),                     \
	                      .open = open_ws})

static struct nbs_route kept[16];
static size_t n_kept;

static int add(const char *method, const char *path, unsigned classes)
{
	kept[n_kept] = ROUTE(method, path, classes);
	return routes_add(routes, "test", &kept[n_kept++], (void *)path);
}

/* The path that was found, or what is allowed, with a colon in front. */
static const char *find(const char *method, const char *path, unsigned class)
{
	static char text[66];
	const struct route *found;

	*text = ':';
	found = routes_find(routes, method, path, class, text + 1, sizeof(text) - 1);
	return found != NULL ? found->ops->path : text;
}

Test(routes, challenge_is_a_class_of_its_own)
{
	static const struct nbs_ws_path ws = PATH("/ws", NULL, NBS_CHALLENGE);
	static const struct nbs_ws_path all =
	    PATH("/ws", NULL, NBS_PUBLIC | NBS_ADMIN | NBS_CHALLENGE);

	cr_assert_eq(add("GET", "/public", NBS_PUBLIC | NBS_ADMIN), 0);
	cr_assert_eq(add("GET", "/challenge", NBS_CHALLENGE), 0);
	cr_assert_eq(add("GET", "/all", NBS_PUBLIC | NBS_ADMIN | NBS_CHALLENGE), 0);
	cr_assert_eq(add("GET", "/all", NBS_CHALLENGE), -EEXIST);
	cr_assert_str_eq(find("GET", "/challenge", NBS_CHALLENGE), "/challenge");
	cr_assert_str_eq(find("GET", "/all", NBS_CHALLENGE), "/all");
	cr_assert_str_eq(find("GET", "/all", NBS_PUBLIC), "/all");
	cr_assert_str_eq(find("GET", "/challenge", NBS_PUBLIC), ":");
	cr_assert_str_eq(find("GET", "/challenge", NBS_ADMIN), ":");
	cr_assert_str_eq(find("GET", "/public", NBS_CHALLENGE), ":");
	cr_assert_eq(routes_add_ws(routes, "test", &ws, NULL), -EINVAL);
	cr_assert_eq(routes_add_ws(routes, "test", &all, NULL), -EINVAL);
}

Test(routes, what_is_no_route)
{
	struct nbs_route r;

	cr_assert_eq(add("GET", "healthz", NBS_PUBLIC), -EINVAL);
	cr_assert_eq(add("GET", "", NBS_PUBLIC), -EINVAL);
	cr_assert_eq(add("GET", NULL, NBS_PUBLIC), -EINVAL);
	cr_assert_eq(add("HEAD", "/x", NBS_PUBLIC), -EINVAL);
	cr_assert_eq(add("get", "/x", NBS_PUBLIC), -EINVAL);
	cr_assert_eq(add(NULL, "/x", NBS_PUBLIC), -EINVAL);
	cr_assert_eq(add("GET", "/x", 0), -EINVAL);
	cr_assert_eq(add("GET", "/x", 8), -EINVAL);
	r = ROUTE("GET", "/x", NBS_PUBLIC);
	r.handle = NULL;
	cr_assert_eq(routes_add(routes, "test", &r, NULL), -EINVAL);
	r = ROUTE("GET", "/x", NBS_PUBLIC);
	r.size = offsetof(struct nbs_route, handle);
	cr_assert_eq(routes_add(routes, "test", &r, NULL), -EINVAL);
}

Test(routes, one_for_each_method_path_and_class)
{
	cr_assert_eq(add("GET", "/x", NBS_PUBLIC), 0);
	cr_assert_eq(add("GET", "/x", NBS_PUBLIC), -EEXIST);
	cr_assert_eq(add("GET", "/x", NBS_PUBLIC | NBS_ADMIN), -EEXIST);
	cr_assert_eq(add("POST", "/x", NBS_PUBLIC), 0);
	cr_assert_eq(add("GET", "/x", NBS_ADMIN), 0);
	cr_assert_eq(add("GET", "/x/", NBS_PUBLIC), 0);
}

Test(routes, whole_paths_and_prefixes)
{
	add("GET", "/a", NBS_PUBLIC);
	add("GET", "/a/", NBS_PUBLIC);
	add("GET", "/a/b/", NBS_PUBLIC);
	add("GET", "/a/b/c", NBS_PUBLIC);
	cr_assert_str_eq(find("GET", "/a", NBS_PUBLIC), "/a");
	cr_assert_str_eq(find("GET", "/a/", NBS_PUBLIC), "/a/");
	cr_assert_str_eq(find("GET", "/a/x", NBS_PUBLIC), "/a/");
	cr_assert_str_eq(find("GET", "/a/b", NBS_PUBLIC), "/a/");
	cr_assert_str_eq(find("GET", "/a/b/x", NBS_PUBLIC), "/a/b/");
	cr_assert_str_eq(find("GET", "/a/b/c", NBS_PUBLIC), "/a/b/c");
	cr_assert_str_eq(find("GET", "/a/b/cc", NBS_PUBLIC), "/a/b/");
	cr_assert_str_eq(find("GET", "/", NBS_PUBLIC), ":");
	cr_assert_str_eq(find("GET", "/aa", NBS_PUBLIC), ":");
	cr_assert_str_eq(find("GET", "", NBS_PUBLIC), ":");
}

Test(routes, the_whole_site)
{
	add("GET", "/", NBS_PUBLIC);
	add("GET", "/x", NBS_PUBLIC);
	cr_assert_str_eq(find("GET", "/", NBS_PUBLIC), "/");
	cr_assert_str_eq(find("GET", "/x", NBS_PUBLIC), "/x");
	cr_assert_str_eq(find("GET", "/y", NBS_PUBLIC), "/");
}

Test(routes, methods)
{
	add("GET", "/x", NBS_PUBLIC);
	add("DELETE", "/x", NBS_PUBLIC);
	add("PUT", "/only-put", NBS_PUBLIC);
	cr_assert_str_eq(find("HEAD", "/x", NBS_PUBLIC), "/x");
	cr_assert_str_eq(find("DELETE", "/x", NBS_PUBLIC), "/x");
	cr_assert_str_eq(find("POST", "/x", NBS_PUBLIC), ":GET, HEAD, DELETE");
	cr_assert_str_eq(find("OPTIONS", "/x", NBS_PUBLIC), ":GET, HEAD, DELETE");
	cr_assert_str_eq(find("HEAD", "/only-put", NBS_PUBLIC), ":PUT");
	cr_assert_str_eq(find("GET", "/nowhere", NBS_PUBLIC), ":");
}

Test(routes, classes)
{
	add("GET", "/public", NBS_PUBLIC);
	add("GET", "/admin", NBS_ADMIN);
	add("GET", "/both", NBS_PUBLIC | NBS_ADMIN);
	cr_assert_str_eq(find("GET", "/public", NBS_PUBLIC), "/public");
	cr_assert_str_eq(find("GET", "/public", NBS_ADMIN), ":");
	cr_assert_str_eq(find("GET", "/admin", NBS_ADMIN), "/admin");
	cr_assert_str_eq(find("POST", "/admin", NBS_PUBLIC), ":", "no word of what is there");
	cr_assert_str_eq(find("GET", "/both", NBS_PUBLIC), "/both");
	cr_assert_str_eq(find("GET", "/both", NBS_ADMIN), "/both");
}

Test(routes, allow_is_cut_to_what_fits)
{
	char allow[8];

	add("GET", "/x", NBS_PUBLIC);
	cr_assert_null(routes_find(routes, "PUT", "/x", NBS_PUBLIC, allow, sizeof(allow)));
	cr_assert_lt(strlen(allow), sizeof(allow));
}

Test(routes, the_owner_and_the_argument_come_back)
{
	char allow[64];
	const struct route *found;

	add("GET", "/x", NBS_PUBLIC);
	found = routes_find(routes, "GET", "/x", NBS_PUBLIC, allow, sizeof(allow));
	cr_assert_str_eq(found->owner, "test");
	cr_assert_str_eq(found->arg, "/x");
}

Test(routes, websocket_paths)
{
	static const struct nbs_ws_path a = PATH("/a", NULL, NBS_PUBLIC);
	static const struct nbs_ws_path b = PATH("/b", "b.v1", NBS_PUBLIC | NBS_ADMIN);
	static const struct nbs_ws_path admin = PATH("/a", NULL, NBS_ADMIN);

	cr_assert_eq(routes_add_ws(routes, "test", &a, NULL), 0);
	cr_assert_eq(routes_add_ws(routes, "test", &b, NULL), 0);
	cr_assert_eq(routes_add_ws(routes, "test", &a, NULL), -EEXIST);
	cr_assert_eq(routes_add_ws(routes, "test", &admin, NULL), 0);
	cr_assert_eq(routes_find_ws(routes, "/a", NBS_PUBLIC)->ops, &a);
	cr_assert_eq(routes_find_ws(routes, "/a", NBS_ADMIN)->ops, &admin);
	cr_assert_eq(routes_find_ws(routes, "/b", NBS_ADMIN)->ops, &b);
	cr_assert_null(routes_find_ws(routes, "/a/", NBS_PUBLIC));
	cr_assert_null(routes_find_ws(routes, "/", NBS_PUBLIC));
}

Test(routes, what_is_no_websocket_path)
{
	struct nbs_ws_path p = PATH("a", NULL, NBS_PUBLIC);

	cr_assert_eq(routes_add_ws(routes, "test", &p, NULL), -EINVAL);
	p = PATH("/a", NULL, 0);
	cr_assert_eq(routes_add_ws(routes, "test", &p, NULL), -EINVAL);
	p = PATH("/a", "", NBS_PUBLIC);
	cr_assert_eq(routes_add_ws(routes, "test", &p, NULL), -EINVAL);
	p = PATH("/a", NULL, NBS_PUBLIC);
	p.open = NULL;
	cr_assert_eq(routes_add_ws(routes, "test", &p, NULL), -EINVAL);
}
