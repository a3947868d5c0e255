/*
 * The main loop: signals, the tick, and work posted to the main thread.  control_open() comes
 * before any thread is made, since it blocks the signals that the loop reads.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdint.h>

struct control;

/* Descriptors that the loop can watch beside its own. */
#define CONTROL_WATCHES_MAX 16

/* One of them.  event() comes as long as there is something to read, or the other end has gone;
 * it may unwatch and free this and others. */
struct control_watch {
	int fd;
	void (*event)(struct control_watch *watch);
};

/* What happens in the loop; all [main]. */
struct control_ops {
	void (*tick)(void *arg, uint64_t now_ms);
	void (*reload)(void *arg); /* SIGHUP */
};

int control_open(struct control **out);
void control_close(struct control *c);
/* [main] How often tick() comes. */
void control_set_tick(struct control *c, unsigned ms);
/* [main] `watch` KEPT until control_unwatch().  -ENOSPC: there are CONTROL_WATCHES_MAX. */
int control_watch(struct control *c, struct control_watch *watch);
/* [main] Nothing happens if it is not watched. */
void control_unwatch(struct control *c, struct control_watch *watch);
/* [main] Runs until SIGTERM, SIGINT or control_quit(). */
void control_run(struct control *c, const struct control_ops *ops, void *arg);
/* [any] */
void control_quit(struct control *c);
/* [any] fn(arg) runs on [main], after earlier posts.  -ENOMEM. */
int control_post(struct control *c, void (*fn)(void *arg), void *arg);
/* [main] Runs what has been posted so far; also for the time when the loop runs no more. */
void control_run_posts(struct control *c);

#endif
