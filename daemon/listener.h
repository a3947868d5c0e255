/*
 * Listeners: the bound sockets of the configuration and of plugins.  Every I/O thread accepts; at
 * a limit, or out of descriptors, accepting pauses, and clients wait in the kernel's backlog.
 */
#ifndef LISTENER_H
#define LISTENER_H

struct config;
struct conns;
struct io;
struct conn_limits;
struct declared;
struct listeners;
struct metrics;
struct services;

/* [main] Makes the listeners of a configuration, and then those of plugins that it leaves room for;
 * no socket yet.  Both are KEPT.  -EINVAL after a line in the log: a listener names a plugin that
 * offers no service. */
int listeners_open(struct listeners **out, const struct config *cfg, struct declared *declared,
                   struct services *services, struct metrics *metrics);
/* [main] Binds and listens.  A negative errno after a line that names listener and address; of an
 * optional one that line is a warning, and it is not there. */
int listeners_bind(struct listeners *all);
/* [main] Begins to accept: one line per address. */
int listeners_start(struct listeners *all, struct io *io, struct conn_limits *limits,
                    struct conns *conns);
/* [any] There is room again; for conn_limits_open(). */
void listeners_resume(void *listeners);
/* [main] Tries again after a lack of descriptors. */
void listeners_tick(struct listeners *all);
/* [main] Accepts no more; clients see that nobody listens. */
void listeners_stop(struct listeners *all);
/* [main] After io_stop(), since connections know their listener. */
void listeners_close(struct listeners *all);

#endif
