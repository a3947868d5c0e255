/* The daemon's own routes: /healthz, it is alive, and /readyz, it should get traffic. */
#ifndef HEALTH_ROUTES_H
#define HEALTH_ROUTES_H

struct ready;
struct routes;

/* [main] `ready` is KEPT as long as the routes.  -ENOMEM. */
int health_routes_add(struct routes *routes, struct ready *ready);

#endif
