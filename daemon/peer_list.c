/* A doubly linked list under a lock. */
#include "peer_list.h"

#include "peer.h"

void peer_list_open(struct peer_list *l)
{
	*l = (struct peer_list){0};
	pthread_mutex_init(&l->lock, NULL);
}

void peer_list_close(struct peer_list *l)
{
	pthread_mutex_destroy(&l->lock);
}

void peer_list_add(struct peer_list *l, struct nbs_peer *p, uint64_t deadline_ms)
{
	struct nbs_peer *before;

	peer_ref(p);
	pthread_mutex_lock(&l->lock);
	before = l->last;
	while (before != NULL && before->deadline_ms > deadline_ms)
		before = before->prev;
	p->deadline_ms = deadline_ms;
	p->listed = true;
	p->prev = before;
	p->next = before != NULL ? before->next : l->first;
	if (p->next != NULL)
		p->next->prev = p;
	else
		l->last = p;
	if (before != NULL)
		before->next = p;
	else
		l->first = p;
	l->count++;
	pthread_mutex_unlock(&l->lock);
}

static void unlink_locked(struct peer_list *l, struct nbs_peer *p)
{
	if (p->prev != NULL)
		p->prev->next = p->next;
	else
		l->first = p->next;
	if (p->next != NULL)
		p->next->prev = p->prev;
	else
		l->last = p->prev;
	p->prev = p->next = NULL;
	p->listed = false;
	l->count--;
}

bool peer_list_remove(struct peer_list *l, struct nbs_peer *p)
{
	bool was_listed;

	pthread_mutex_lock(&l->lock);
	was_listed = p->listed;
	if (was_listed)
		unlink_locked(l, p);
	pthread_mutex_unlock(&l->lock);
	if (was_listed)
		peer_unref(p);
	return was_listed;
}

struct nbs_peer *peer_list_expired(struct peer_list *l, uint64_t now_ms)
{
	struct nbs_peer *p;

	pthread_mutex_lock(&l->lock);
	p = l->first;
	if (p != NULL && p->deadline_ms <= now_ms)
		unlink_locked(l, p);
	else
		p = NULL;
	pthread_mutex_unlock(&l->lock);
	return p;
}

unsigned peer_list_count(struct peer_list *l)
{
	unsigned count;

	pthread_mutex_lock(&l->lock);
	count = l->count;
	pthread_mutex_unlock(&l->lock);
	return count;
}
