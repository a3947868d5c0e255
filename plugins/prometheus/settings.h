/* The keys of [plugin prometheus]. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdint.h>

struct nbs_host;

/* A name that long cannot be read on any dashboard. */
#define SETTINGS_PREFIX_MAX 64

struct settings {
	const char *address; /* as in the file; empty: no listener */
	int64_t port;
	const char *prefix;
	int chosen; /* somebody chose address or port: it must be possible to listen there */
};

/* [main]  In init() and reload_prepare().  Strings are the host's.  All bad values are logged. */
int settings_read(struct settings *s, struct nbs_host *host);

/* [main]  The listener's addresses, "127.0.0.1:9090, [::1]:9090", GIVEN; "" if there is to be none.
 * On an error, which is in the log, it is NULL. */
int settings_listen(const struct settings *s, struct nbs_host *host, char **addresses);

/* [main]  A warning for each key of the file that is not what runs. */
void settings_warn_restart(const struct settings *running, const struct settings *file,
                           struct nbs_host *host);

#endif
