/*
 * Who may handshake now: a bounded number, the others in the order in which they came.  Only
 * counts and lists; what follows from them is done by tls.c.  Everything is [any].
 */
#ifndef TLS_ADMISSION_H
#define TLS_ADMISSION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A handshake that is older gives way when others wait. */
#define TLS_ADMISSION_STALL_MS 1000

enum tls_where { TLS_NOWHERE, TLS_WAITING, TLS_CALLED, TLS_UNDER_WAY };

/* Belongs to the queue except where `where` is TLS_NOWHERE. */
struct tls_place {
	struct tls_place *prev, *next;
	uint64_t since_ms; /* TLS_UNDER_WAY */
	unsigned thread;   /* TLS_UNDER_WAY: on which */
	unsigned char where;
};

struct tls_places {
	struct tls_place *first, *last;
};

struct tls_admission {
	pthread_mutex_t lock;  /* before the inbox lock of an I/O thread */
	unsigned max, running; /* called or under way */
	struct tls_places waiting, under_way;
};

void tls_admission_open(struct tls_admission *a, unsigned max);
void tls_admission_close(struct tls_admission *a);
void tls_admission_configure(struct tls_admission *a, unsigned max);

/* true: called at once; false: it waits. */
bool tls_admission_enter(struct tls_admission *a, struct tls_place *place);
/* A place that was called is on its thread and begins. */
void tls_admission_begin(struct tls_admission *a, struct tls_place *place, unsigned thread,
                         uint64_t now_ms);
/* Out, wherever it was.  Returns whether it was called, for the gauge. */
bool tls_admission_leave(struct tls_admission *a, struct tls_place *place);
/* Calls the next that waits, if there is room; false: there is none.  `called` runs under the lock:
 * as soon as that is given back, the place's own thread may leave and free it. */
bool tls_admission_next(struct tls_admission *a, void (*called)(struct tls_place *place));
/* Somebody waits and this one is the longest under way; NULL if nobody waits.  The place may only
 * be touched on its thread. */
struct tls_place *tls_admission_oldest(struct tls_admission *a, unsigned *thread,
                                       uint64_t *since_ms);

#endif
