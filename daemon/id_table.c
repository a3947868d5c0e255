/* Chained buckets; a peer's `hash` picks the shard with its high bits, the bucket with its low. */
#include "id_table.h"

#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 16

int id_table_open(struct id_table *t)
{
	pthread_rwlockattr_t attr;
	int r;

	memset(t, 0, sizeof(*t));
	if ((r = siphash_new_key(&t->key)) < 0)
		return r;
	pthread_rwlockattr_init(&attr);
	/* glibc's default lets a stream of readers starve a registration for ever. */
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	for (unsigned i = 0; i < ID_TABLE_SHARDS; i++)
		pthread_rwlock_init(&t->shards[i].lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	return 0;
}

void id_table_close(struct id_table *t)
{
	for (unsigned i = 0; i < ID_TABLE_SHARDS; i++) {
		pthread_rwlock_destroy(&t->shards[i].lock);
		free(t->shards[i].buckets);
	}
}

uint64_t id_table_hash(const struct id_table *t, const char *id, size_t len)
{
	return siphash(&t->key, id, len);
}

struct id_shard *id_table_shard(struct id_table *t, uint64_t hash)
{
	return &t->shards[(hash >> 32) % ID_TABLE_SHARDS];
}

static struct nbs_peer **bucket(const struct id_shard *s, uint64_t hash)
{
	return &s->buckets[hash & (s->n_buckets - 1)];
}

struct nbs_peer *id_shard_find(const struct id_shard *s, uint64_t hash, const char *id, size_t len)
{
	struct nbs_peer *p;

	if (s->n_buckets == 0)
		return NULL;
	for (p = *bucket(s, hash); p != NULL; p = p->chain)
		if (p->hash == hash && p->id_len == len && memcmp(p->id, id, len) == 0)
			return p;
	return NULL;
}

static void resize(struct id_shard *s, struct nbs_peer **buckets, size_t n)
{
	struct id_shard old = {.buckets = s->buckets, .n_buckets = s->n_buckets};
	struct nbs_peer *p, *next;

	s->buckets = buckets;
	s->n_buckets = n;
	for (size_t i = 0; i < old.n_buckets; i++) {
		for (p = old.buckets[i]; p != NULL; p = next) {
			next = p->chain;
			p->chain = *bucket(s, p->hash);
			*bucket(s, p->hash) = p;
		}
	}
	free(old.buckets);
}

int id_shard_make_room(struct id_shard *s)
{
	size_t n = s->n_buckets == 0 ? FIRST_BUCKETS : s->n_buckets * 2;
	struct nbs_peer **buckets;

	if (s->count < s->n_buckets)
		return 0;
	if ((buckets = calloc(n, sizeof(struct nbs_peer *))) == NULL)
		return s->n_buckets == 0 ? -ENOMEM : 0;
	resize(s, buckets, n);
	return 0;
}

void id_shard_insert(struct id_shard *s, struct nbs_peer *p)
{
	p->chain = *bucket(s, p->hash);
	*bucket(s, p->hash) = p;
	s->count++;
}

/* Gives back what a burst of peers made the table grow by. */
static void shrink(struct id_shard *s)
{
	size_t n = s->n_buckets / 2;
	struct nbs_peer **buckets;

	if (n < FIRST_BUCKETS || s->count > s->n_buckets / 8)
		return;
	if ((buckets = calloc(n, sizeof(struct nbs_peer *))) != NULL)
		resize(s, buckets, n);
}

void id_shard_remove(struct id_shard *s, struct nbs_peer *p)
{
	struct nbs_peer **at = bucket(s, p->hash);

	while (*at != p)
		at = &(*at)->chain;
	*at = p->chain;
	p->chain = NULL;
	s->count--;
	shrink(s);
}
