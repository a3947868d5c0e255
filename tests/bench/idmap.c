/* idmap.c - id to pointer, one mutex. */
#include "idmap.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHAINS 65536

struct entry {
	struct entry *next;
	void *value;
	size_t len;
	char id[];
};

struct idmap {
	pthread_mutex_t lock;
	void (*hold)(void *value);
	struct entry *chains[CHAINS];
};

/* FNV-1a */
static struct entry **chain_of(struct idmap *m, const void *id, size_t len)
{
	const uint8_t *at = id;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ at[i]) * 16777619u;
	return &m->chains[(h ^ h >> 16) % CHAINS];
}

static struct entry **find(struct idmap *m, const void *id, size_t len)
{
	struct entry **e = chain_of(m, id, len);

	while (*e != NULL && ((*e)->len != len || memcmp((*e)->id, id, len) != 0))
		e = &(*e)->next;
	return e;
}

struct idmap *idmap_new(void (*hold)(void *value))
{
	struct idmap *m = calloc(1, sizeof(*m));

	if (m == NULL)
		abort();
	pthread_mutex_init(&m->lock, NULL);
	m->hold = hold;
	return m;
}

void idmap_free(struct idmap *m)
{
	if (m != NULL)
		pthread_mutex_destroy(&m->lock);
	free(m);
}

void *idmap_put(struct idmap *m, const void *id, size_t len, void *value)
{
	struct entry *fresh = malloc(sizeof(*fresh) + len), **e;
	void *old = NULL;

	if (fresh == NULL)
		abort();
	memcpy(fresh->id, id, len);
	fresh->len = len;
	fresh->value = value;
	pthread_mutex_lock(&m->lock);
	e = find(m, id, len);
	if (*e != NULL) {
		old = (*e)->value;
		(*e)->value = value;
	} else {
		fresh->next = NULL;
		*e = fresh;
		fresh = NULL;
	}
	pthread_mutex_unlock(&m->lock);
	free(fresh);
	return old;
}

void *idmap_get(struct idmap *m, const void *id, size_t len)
{
	struct entry **e;
	void *value = NULL;

	pthread_mutex_lock(&m->lock);
	e = find(m, id, len);
	if (*e != NULL) {
		value = (*e)->value;
		m->hold(value);
	}
	pthread_mutex_unlock(&m->lock);
	return value;
}

int idmap_remove(struct idmap *m, const void *id, size_t len, const void *value)
{
	struct entry **e, *gone = NULL;

	pthread_mutex_lock(&m->lock);
	e = find(m, id, len);
	if (*e != NULL && (*e)->value == value) {
		gone = *e;
		*e = gone->next;
	}
	pthread_mutex_unlock(&m->lock);
	free(gone);
	return gone != NULL;
}
