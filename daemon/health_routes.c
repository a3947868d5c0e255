/* Health checks, on listeners of every class. */
#include "health_routes.h"

#include "http.h"
#include "ready.h"
#include "routes.h"

#include <string.h>

static const char plain[] = "text/plain; charset=utf-8";
static const char not_kept[] = "Cache-Control: no-store\r\n";

static void say(struct nbs_request *request, unsigned status, const char *text)
{
	http_request_reply(request, status, plain, not_kept, text, strlen(text));
}

static void healthz(void *arg, struct nbs_request *request)
{
	(void)arg;
	say(request, 200, "ok\n");
}

static void readyz(void *arg, struct nbs_request *request)
{
	char text[2048];

	if (ready_look(arg, text, sizeof(text)))
		say(request, 200, "ready\n");
	else
		say(request, 503, text);
}

int health_routes_add(struct routes *routes, struct ready *ready)
{
	static const struct nbs_route health = {
	    .size = sizeof(health),
	    .method = "GET",
	    .path = "/healthz",
	    .classes = NBS_PUBLIC | NBS_ADMIN,
	    .handle = healthz,
	};
	static const struct nbs_route readiness = {
	    .size = sizeof(readiness),
	    .method = "GET",
	    .path = "/readyz",
	    .classes = NBS_PUBLIC | NBS_ADMIN,
	    .handle = readyz,
	};
	int r;

	if ((r = routes_add(routes, "daemon", &health, NULL)) < 0)
		return r;
	return routes_add(routes, "daemon", &readiness, ready);
}
