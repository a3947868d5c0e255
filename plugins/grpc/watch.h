/*
 * Health Watch: a call that is told the state, and told again when it changes.
 */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>

struct call;
struct transport;

/* Takes the call; `known`: it asked for a service that exists.  On the queue's thread. */
void watch_begin(const struct call *call, bool known);
/* The state has changed.  [any] */
void watch_changed(struct transport *t);

#endif
