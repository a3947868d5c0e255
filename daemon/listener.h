/*
 * Listeners: the bound sockets of the configuration.  Every I/O thread accepts; at a limit, or
 * out of descriptors, accepting pauses, and clients wait in the kernel's backlog.
 */
#ifndef LISTENER_H
#define LISTENER_H

struct config;
struct conns;
struct io;
struct conn_limits;
struct listeners;
struct metrics;
struct services;

/* [main] Makes the listeners of a configuration; no socket yet.  -EINVAL after a line in the log:
 * a listener names a plugin that offers no service. */
int listeners_open(struct listeners **out, const struct config *cfg, struct services *services,
                   struct metrics *metrics);
/* [main] Binds and listens.  A negative errno after a line that names listener and address. */
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
