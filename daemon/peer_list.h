/*
 * Leases that wait for a moment in time, in the order of their deadlines.  Every list has one
 * length of time but for a reload, so that the place of a new one is nearly always the end.  A
 * lease is on at most one list; being on it holds a reference.  Everything is [any].
 */
#ifndef PEER_LIST_H
#define PEER_LIST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct nbs_peer;

struct peer_list {
	pthread_mutex_t lock;
	struct nbs_peer *first, *last;
	unsigned count;
};

void peer_list_open(struct peer_list *l);
/* The list must be empty. */
void peer_list_close(struct peer_list *l);
void peer_list_add(struct peer_list *l, struct nbs_peer *p, uint64_t deadline_ms);
/* Whether it was there; then the list's reference is dropped (the caller has one of its own). */
bool peer_list_remove(struct peer_list *l, struct nbs_peer *p);
/* The first lease whose deadline has come, with the list's reference, or NULL. */
struct nbs_peer *peer_list_expired(struct peer_list *l, uint64_t now_ms);
unsigned peer_list_count(struct peer_list *l);

#endif
