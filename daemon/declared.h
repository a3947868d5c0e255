/*
 * Listeners that plugins bring along.  Filled in init(), read when the listeners are made.  [main]
 */
#ifndef DECLARED_H
#define DECLARED_H

#include "config.h"

#include <netbird-signal/plugin.h>

/* One, as if the configuration had it.  What declared_settle() leaves out has no addresses. */
struct declared_listener {
	struct config_listener conf; /* `where` is "plugin NAME" */
	const char *plugin;          /* who brings it */
	bool optional;               /* an address that cannot be bound is a warning */
};

struct declared;

int declared_open(struct declared **out);
void declared_close(struct declared *declared);

/* See nbs_host.listener_register.  Every error has a line. */
int declared_add(struct declared *declared, const char *owner, const struct nbs_listener *listener);
/* When all are there: leaves out those that the configuration has under their name, and addresses
 * whose port it or an earlier one has, and says so.  A second call changes nothing. */
void declared_settle(struct declared *declared, const struct config *cfg);
size_t declared_count(const struct declared *declared);
const struct declared_listener *declared_at(const struct declared *declared, size_t i);

#endif
