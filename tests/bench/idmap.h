/*
 * idmap.h - the plainest map from peer ids to pointers that several threads can use: a hash
 * table of fixed size under one mutex.  All functions [any].
 */
#ifndef BENCH_IDMAP_H
#define BENCH_IDMAP_H

#include <stddef.h>

struct idmap;

/* `hold` is called with the map locked on each value before it is returned. */
struct idmap *idmap_new(void (*hold)(void *value));
/* The map must be empty. */
void idmap_free(struct idmap *m);
/* The value that had the id until now, NULL if none.  `id` is copied.  Aborts without memory. */
void *idmap_put(struct idmap *m, const void *id, size_t len, void *value);
/* NULL if there is none. */
void *idmap_get(struct idmap *m, const void *id, size_t len);
/* Removes the value wherever it is held under the id; 0 if it is not. */
int idmap_remove(struct idmap *m, const void *id, size_t len, const void *value);

#endif
