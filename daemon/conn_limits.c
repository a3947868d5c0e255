/* Connection counts: one atomic for all, a small hash table under a lock for addresses. */
#include "conn_limits.h"

#include "siphash.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 256

/* What identifies a client: its IPv4 address, also when mapped into IPv6, or its IPv6 /64. */
struct network {
	uint64_t family, prefix; /* of one size, so that there is no padding to be hashed */
};

struct address {
	struct address *next;
	struct network network;
	unsigned count;
};

struct conn_limits {
	atomic_uint open, max, per_address;
	atomic_uint descriptors, max_descriptors;
	atomic_bool starved;
	void (*room)(void *arg);
	void *room_arg;

	pthread_mutex_t lock;
	struct siphash_key key;
	struct address **buckets;
	size_t n_buckets, n_addresses;
};

int conn_limits_open(struct conn_limits **out, void (*room)(void *arg), void *arg)
{
	struct conn_limits *l = calloc(1, sizeof(*l));
	int r = -ENOMEM;

	if (l == NULL)
		return r;
	l->n_buckets = FIRST_BUCKETS;
	if ((l->buckets = calloc(l->n_buckets, sizeof(struct address *))) == NULL ||
	    (r = siphash_new_key(&l->key)) < 0) {
		free(l->buckets);
		free(l);
		return r;
	}
	pthread_mutex_init(&l->lock, NULL);
	l->room = room;
	l->room_arg = arg;
	*out = l;
	return 0;
}

void conn_limits_close(struct conn_limits *l)
{
	struct address *a, *next;

	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n_buckets; i++) {
		for (a = l->buckets[i]; a != NULL; a = next) {
			next = a->next;
			free(a);
		}
	}
	pthread_mutex_destroy(&l->lock);
	free(l->buckets);
	free(l);
}

static void call_room(struct conn_limits *l)
{
	if (atomic_load(&l->starved) && atomic_exchange(&l->starved, false))
		l->room(l->room_arg);
}

void conn_limits_configure(struct conn_limits *l, unsigned max, unsigned per_address,
                           unsigned descriptors)
{
	atomic_store(&l->max, max);
	atomic_store(&l->max_descriptors, descriptors);
	atomic_store(&l->per_address, per_address);
	call_room(l);
}

/* Adds n to *count unless it would be more than max then. */
static bool add(atomic_uint *count, unsigned n, unsigned max)
{
	unsigned now = atomic_load(count);

	do {
		if (now + n > max)
			return false;
	} while (!atomic_compare_exchange_weak(count, &now, now + n));
	return true;
}

bool conn_limits_enter(struct conn_limits *l, bool admin)
{
	const unsigned reserve = admin ? CONN_LIMITS_ADMIN_RESERVE : 0;

	if (!add(&l->open, 1, atomic_load(&l->max) + reserve))
		return false;
	if (conn_limits_take_descriptors(l, DESCRIPTORS_PER_CONNECTION, admin))
		return true;
	atomic_fetch_sub(&l->open, 1);
	return false;
}

void conn_limits_leave(struct conn_limits *l)
{
	atomic_fetch_sub(&l->open, 1);
	conn_limits_give_descriptors(l, DESCRIPTORS_PER_CONNECTION);
}

bool conn_limits_take_descriptors(struct conn_limits *l, unsigned n, bool admin)
{
	const unsigned reserve = admin ? CONN_LIMITS_ADMIN_DESCRIPTORS : 0;

	return add(&l->descriptors, n, atomic_load(&l->max_descriptors) + reserve);
}

void conn_limits_give_descriptors(struct conn_limits *l, unsigned n)
{
	atomic_fetch_sub(&l->descriptors, n);
	call_room(l);
}

void conn_limits_starve(struct conn_limits *l)
{
	atomic_store(&l->starved, true);
}

unsigned conn_limits_count(const struct conn_limits *l)
{
	return atomic_load(&((struct conn_limits *)l)->open);
}

static struct network network_of(const struct sockaddr *sa)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	struct network n = {.family = sa->sa_family};

	if (sa->sa_family == AF_INET) {
		n.prefix = ((const struct sockaddr_in *)sa)->sin_addr.s_addr;
	} else if (sa->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		n.family = AF_INET;
		memcpy(&n.prefix, v6->sin6_addr.s6_addr + 12, 4);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&n.prefix, v6->sin6_addr.s6_addr, 8);
	}
	return n;
}

static struct address **find(struct conn_limits *l, struct network network)
{
	size_t i = siphash(&l->key, &network, sizeof(network)) & (l->n_buckets - 1);
	struct address **at = &l->buckets[i];

	while (*at != NULL &&
	       ((*at)->network.family != network.family || (*at)->network.prefix != network.prefix))
		at = &(*at)->next;
	return at;
}

/* Doubles the table; without memory for that it only gets slower. */
static void grow(struct conn_limits *l)
{
	struct address **old = l->buckets, **buckets, *a, *next;
	size_t n_old = l->n_buckets;

	if (l->n_addresses < n_old ||
	    (buckets = calloc(n_old * 2, sizeof(struct address *))) == NULL)
		return;
	l->buckets = buckets;
	l->n_buckets = n_old * 2;
	for (size_t i = 0; i < n_old; i++) {
		for (a = old[i]; a != NULL; a = next) {
			struct address **at = find(l, a->network);

			next = a->next;
			a->next = NULL;
			*at = a;
		}
	}
	free(old);
}

static int enter_locked(struct conn_limits *l, struct network network)
{
	unsigned max = atomic_load(&l->per_address);
	struct address **at, *a;

	grow(l);
	at = find(l, network);
	if (*at == NULL) {
		if ((a = calloc(1, sizeof(*a))) == NULL)
			return -ENOMEM;
		a->network = network;
		*at = a;
		l->n_addresses++;
	}
	if (max != 0 && (*at)->count >= max)
		return -EUSERS;
	(*at)->count++;
	return 0;
}

int conn_limits_address_enter(struct conn_limits *l, const struct sockaddr *sa)
{
	int r;

	pthread_mutex_lock(&l->lock);
	r = enter_locked(l, network_of(sa));
	pthread_mutex_unlock(&l->lock);
	return r;
}

void conn_limits_address_leave(struct conn_limits *l, const struct sockaddr *sa)
{
	struct address **at, *a;

	pthread_mutex_lock(&l->lock);
	at = find(l, network_of(sa));
	a = *at;
	if (a != NULL && --a->count == 0) {
		*at = a->next;
		free(a);
		l->n_addresses--;
	}
	pthread_mutex_unlock(&l->lock);
}
