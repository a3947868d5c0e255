/*
 * Whether the daemon should get traffic (/readyz): it listens, does not stop, and no plugin
 * objects.  Everything is [any] but ready_open() and ready_close().
 */
#ifndef READY_H
#define READY_H

#include <stdbool.h>
#include <stddef.h>

struct ready;

int ready_open(struct ready **out);
void ready_close(struct ready *ready);
/* Between "listening" and the begin of a shutdown. */
void ready_set_serving(struct ready *ready, bool serving);
/* `who` objects for this reason, copied; NULL: it does not any more. */
void ready_object(struct ready *ready, const char *who, const char *why);
/* Writes what keeps it from being ready, a line each, "" if nothing does.  Returns readiness. */
bool ready_look(struct ready *ready, char *text, size_t size);

#endif
