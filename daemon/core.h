/*
 * What plugins register with and work on: metrics, peers, certificates, services, routes.  All of
 * it is there before the first plugin and after the last.  [main]
 */
#ifndef CORE_H
#define CORE_H

#include "daemon_metrics.h"
#include "host.h"
#include "registry.h"

struct config;
struct drops;

struct core {
	struct host_core host; /* `control` is the caller's */
	struct drops *drops;
	struct daemon_metrics metrics;
};

/* A negative errno after a line in the log. */
int core_open(struct core *core, const struct config *cfg);
void core_close(struct core *core);

/* What a configuration says of peers, for registry_configure(). */
struct registry_settings core_peers_settings(const struct config *cfg);

#endif
