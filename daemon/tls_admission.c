/* The queue for a handshake. */
#include "tls_admission.h"

#include <stddef.h>

static void append(struct tls_places *list, struct tls_place *place)
{
	place->prev = list->last;
	place->next = NULL;
	if (list->last != NULL)
		list->last->next = place;
	else
		list->first = place;
	list->last = place;
}

static void take_out(struct tls_places *list, struct tls_place *place)
{
	if (place->prev != NULL)
		place->prev->next = place->next;
	else
		list->first = place->next;
	if (place->next != NULL)
		place->next->prev = place->prev;
	else
		list->last = place->prev;
}

void tls_admission_open(struct tls_admission *a, unsigned max)
{
	*a = (struct tls_admission){.max = max};
	pthread_mutex_init(&a->lock, NULL);
}

void tls_admission_close(struct tls_admission *a)
{
	pthread_mutex_destroy(&a->lock);
}

void tls_admission_configure(struct tls_admission *a, unsigned max)
{
	pthread_mutex_lock(&a->lock);
	a->max = max;
	pthread_mutex_unlock(&a->lock);
}

bool tls_admission_enter(struct tls_admission *a, struct tls_place *place)
{
	bool called;

	pthread_mutex_lock(&a->lock);
	called = a->running < a->max && a->waiting.first == NULL;
	if (called) {
		place->where = TLS_CALLED;
		a->running++;
	} else {
		place->where = TLS_WAITING;
		append(&a->waiting, place);
	}
	pthread_mutex_unlock(&a->lock);
	return called;
}

void tls_admission_begin(struct tls_admission *a, struct tls_place *place, unsigned thread,
                         uint64_t now_ms)
{
	pthread_mutex_lock(&a->lock);
	place->where = TLS_UNDER_WAY;
	place->thread = thread;
	place->since_ms = now_ms;
	append(&a->under_way, place);
	pthread_mutex_unlock(&a->lock);
}

bool tls_admission_leave(struct tls_admission *a, struct tls_place *place)
{
	bool was_called;

	pthread_mutex_lock(&a->lock);
	was_called = place->where == TLS_CALLED || place->where == TLS_UNDER_WAY;
	if (place->where == TLS_WAITING)
		take_out(&a->waiting, place);
	if (place->where == TLS_UNDER_WAY)
		take_out(&a->under_way, place);
	if (was_called)
		a->running--;
	place->where = TLS_NOWHERE;
	pthread_mutex_unlock(&a->lock);
	return was_called;
}

bool tls_admission_next(struct tls_admission *a, void (*called)(struct tls_place *place))
{
	struct tls_place *place = NULL;

	pthread_mutex_lock(&a->lock);
	if (a->running < a->max && (place = a->waiting.first) != NULL) {
		take_out(&a->waiting, place);
		place->where = TLS_CALLED;
		a->running++;
		called(place);
	}
	pthread_mutex_unlock(&a->lock);
	return place != NULL;
}

struct tls_place *tls_admission_oldest(struct tls_admission *a, unsigned *thread,
                                       uint64_t *since_ms)
{
	struct tls_place *place = NULL;

	pthread_mutex_lock(&a->lock);
	if (a->waiting.first != NULL && (place = a->under_way.first) != NULL) {
		*thread = place->thread;
		*since_ms = place->since_ms;
	}
	pthread_mutex_unlock(&a->lock);
	return place;
}
