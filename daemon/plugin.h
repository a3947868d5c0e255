/*
 * Plugins: find the files, refuse what is no plugin of this contract before anything of it has
 * run, and lead the others through their life cycle.  Everything here is [main].
 */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <stdbool.h>
#include <stdio.h>

struct config;
struct host_core;
struct plugins;

/*
 * Loads every enabled plugin of the configuration, in its order, and calls init().  Any failure
 * is an error: it is logged with file and reason, what was initialised is destroyed, and a
 * negative errno comes back.  An empty set is allowed.
 */
int plugins_load(struct plugins **out, struct config *cfg, const struct host_core *core);
/* start() in order.  On an error those already started are stopped again. */
int plugins_start(struct plugins *set);
/* Both steps of a reload with the plugins' sections of `cfg`.  A prepare that fails has undone
 * itself; after one that succeeded, finish is owed. */
int plugins_reload_prepare(struct plugins *set, struct config *cfg);
void plugins_reload_finish(struct plugins *set, struct config *cfg, int commit);
void plugins_drain(struct plugins *set);
/* stop() in reverse order of start; the grace is shared.  Names a plugin whose stop() fails or
 * leaves a lease behind. */
void plugins_stop(struct plugins *set, unsigned grace_ms);
/* destroy() in reverse order, but for those that did not stop. */
void plugins_free(struct plugins *set);
/* Whether plugins_free() had to leave one alone: what its host table leads to must stay as well. */
bool plugins_stuck(void);

/* The subcommand `plugins`: one line per configured plugin (name, version, ABI, file, state or
 * why it would be refused).  Loads the files but calls nothing in them.  0, or -EINVAL if any
 * would be refused. */
int plugins_list(const struct config *cfg, FILE *out);

#endif
