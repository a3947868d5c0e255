/* The daemon: all of its parts, made in order, run, and unmade in reverse.  [main] */
#ifndef DAEMON_H
#define DAEMON_H

struct config;
struct options;

/* Runs until it is told to stop.  cfg is GIVEN.  0 after a clean end; a negative errno, after a
 * line in the log, if it could not start. */
int daemon_run(struct config *cfg, const struct options *opt);
/* Everything of a start that has no effect outside the process: plugins are loaded and read their
 * configuration, listeners find their services.  cfg is GIVEN. */
int daemon_check(struct config *cfg);

#endif
