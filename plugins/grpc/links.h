/*
 * The connections that were handed to C core, by descriptor number: all that C core says of a
 * call's client is "fd:N".  What stands here for a number is the connection that had it last;
 * that it has gone is never told, so it may be out of date.  Everything is [any].
 */
#ifndef LINKS_H
#define LINKS_H

#include "core.h"

#include <stdbool.h>
#include <stdint.h>

struct link;
struct links;

/* NULL when out of memory. */
struct links *links_new(void);
void links_free(struct links *links);

/* Notes a connection that is about to be handed over; -ENOMEM. */
int links_add(struct links *links, int fd, const char *remote);

/*
 * Counts one more call on the connection that it came by.  *out is GIVEN (links_leave()), and
 * NULL if the connection is not known.  -EMFILE: that is more than `max`; it is counted all the
 * same, and *out is set.
 */
int links_enter(struct links *links, grpc_call *call, int64_t max, struct link **out);
void links_leave(struct link *link);
/* The client's address, "?" for NULL; valid until links_leave(). */
const char *links_remote(const struct link *link);

/* Shuts the socket of a connection if C core has not closed it yet.  C core then sees an error,
 * whatever it was waiting for.  True the first time for this connection. */
bool links_cut(struct link *link);
/* The same for all of them; how many there were. */
unsigned links_cut_all(struct links *links);

#endif
