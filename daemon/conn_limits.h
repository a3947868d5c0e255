/*
 * How many connections there may be: in all, by what descriptors they take, and from one address
 * (an IPv6 client is its /64, since it has all of it).  Everything is [any].
 */
#ifndef CONN_LIMITS_H
#define CONN_LIMITS_H

#include "descriptors.h"

#include <stdbool.h>
#include <sys/socket.h>

struct conn_limits;

/* Connections beyond the limit that only listeners of class admin may use, so that health checks
 * and metrics answer when the rest is full. */
#define CONN_LIMITS_ADMIN_RESERVE 16
/* What these take, in TLS. */
#define CONN_LIMITS_ADMIN_DESCRIPTORS \
	(CONN_LIMITS_ADMIN_RESERVE * (DESCRIPTORS_PER_CONNECTION + DESCRIPTORS_PER_PAIR))

/* `room` runs, on whatever thread, when a connection has ended after conn_limits_starve(). */
int conn_limits_open(struct conn_limits **out, void (*room)(void *arg), void *arg);
void conn_limits_close(struct conn_limits *l);
/* per_address 0: no limit.  `descriptors` is what all connections together may take; those of
 * listeners of class admin have their reserve beyond it. */
void conn_limits_configure(struct conn_limits *l, unsigned max, unsigned per_address,
                           unsigned descriptors);

/* One more connection, before it is accepted?  false: not now. */
bool conn_limits_enter(struct conn_limits *l, bool admin);
void conn_limits_leave(struct conn_limits *l);
/* Descriptors that a connection takes beyond DESCRIPTORS_PER_CONNECTION.  false: there are none. */
bool conn_limits_take_descriptors(struct conn_limits *l, unsigned n, bool admin);
void conn_limits_give_descriptors(struct conn_limits *l, unsigned n);
/* From now on the next one that leaves, or gives descriptors back, calls room(), once. */
void conn_limits_starve(struct conn_limits *l);

/* One more from this address?  -EUSERS: too many; -ENOMEM.  Counted also while there is no limit,
 * so that one can be set at any time. */
int conn_limits_address_enter(struct conn_limits *l, const struct sockaddr *sa);
void conn_limits_address_leave(struct conn_limits *l, const struct sockaddr *sa);

unsigned conn_limits_count(const struct conn_limits *l);

#endif
