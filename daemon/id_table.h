/*
 * The table from ids to leases: shards with a read-write lock each, keyed hashing, buckets that
 * double as they fill.  The caller holds the shard's lock where a function says so.
 */
#ifndef ID_TABLE_H
#define ID_TABLE_H

#include "siphash.h"

#include <pthread.h>
#include <stddef.h>

struct nbs_peer;

#define ID_TABLE_SHARDS 64

struct id_shard {
	_Alignas(64) pthread_rwlock_t lock;
	struct nbs_peer **buckets;
	size_t n_buckets; /* a power of two, or 0 */
	size_t count;
};

struct id_table {
	struct siphash_key key;
	struct id_shard shards[ID_TABLE_SHARDS];
};

int id_table_open(struct id_table *t);
/* The table must be empty, or its leases have other owners. */
void id_table_close(struct id_table *t);

uint64_t id_table_hash(const struct id_table *t, const char *id, size_t len);
struct id_shard *id_table_shard(struct id_table *t, uint64_t hash);

/* Read or write lock held. */
struct nbs_peer *id_shard_find(const struct id_shard *s, uint64_t hash, const char *id, size_t len);
/* Write lock held.  -ENOMEM if there is no table yet and none can be made; a table that cannot
 * grow only gets slower. */
int id_shard_make_room(struct id_shard *s);
void id_shard_insert(struct id_shard *s, struct nbs_peer *p);
void id_shard_remove(struct id_shard *s, struct nbs_peer *p);

#endif
