/*
 * The connections that were handed to C core, by descriptor number.  A descriptor belongs to C
 * core, which may close it at any moment; so a socket is only ever touched through a duplicate
 * that proves to be the same socket (by its inode, which is never used twice within hours).
 */
#include "links.h"

#include <netbird-signal/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct link {
	struct links *links;
	struct link *next; /* of the spare ones */
	atomic_uint refs;  /* one by the table, one by each call */
	atomic_uint calls;
	atomic_bool cut;
	int fd;
	ino_t inode;
	char remote[NBS_ADDR_MAX];
};

/* Links come from slabs: as the last link of a number stays until the number is used again, each
 * would pin a page of its own after many clients have left (1.2 KiB for each of 6,000). */
#define SLAB 128
struct slab {
	struct slab *next;
	struct link links[SLAB];
};

struct links {
	pthread_mutex_t lock; /* taken last, nothing is called while it is held */
	struct link **by_fd;
	size_t size;
	struct link *spare;
	struct slab *slabs;
};

struct links *links_new(void)
{
	struct links *links = calloc(1, sizeof(*links));

	if (links != NULL)
		pthread_mutex_init(&links->lock, NULL);
	return links;
}

void links_free(struct links *links)
{
	struct slab *slab, *next;

	if (links == NULL)
		return;
	for (slab = links->slabs; slab != NULL; slab = next) {
		next = slab->next;
		free(slab);
	}
	free(links->by_fd);
	pthread_mutex_destroy(&links->lock);
	free(links);
}

/* The lock is held. */
static void put_spare(struct links *links, struct link *link)
{
	link->next = links->spare;
	links->spare = link;
}

/* The lock is held.  NULL when out of memory. */
static struct link *take_spare(struct links *links)
{
	struct link *link;
	struct slab *slab;

	if (links->spare == NULL) {
		if ((slab = malloc(sizeof(*slab))) == NULL)
			return NULL;
		slab->next = links->slabs;
		links->slabs = slab;
		for (size_t i = 0; i < SLAB; i++)
			put_spare(links, &slab->links[i]);
	}
	link = links->spare;
	links->spare = link->next;
	return link;
}

static void link_unref(struct link *link)
{
	struct links *links;

	if (link == NULL || atomic_fetch_sub(&link->refs, 1) > 1)
		return;
	links = link->links;
	pthread_mutex_lock(&links->lock);
	put_spare(links, link);
	pthread_mutex_unlock(&links->lock);
}

static void link_init(struct link *link, struct links *links, int fd, const char *remote)
{
	struct stat st;

	link->links = links;
	atomic_init(&link->refs, 1);
	atomic_init(&link->calls, 0);
	atomic_init(&link->cut, false);
	link->fd = fd;
	link->inode = fstat(fd, &st) == 0 ? st.st_ino : 0;
	snprintf(link->remote, sizeof(link->remote), "%s", remote);
}

/* Room for the number fd; the lock is held. */
static int grow(struct links *links, int fd)
{
	size_t need = (size_t)fd + 1, size = links->size;
	struct link **by_fd;

	if (need <= size)
		return 0;
	size = need + need / 2;
	by_fd = realloc(links->by_fd, size * sizeof(struct link *));
	if (by_fd == NULL)
		return -ENOMEM;
	memset(by_fd + links->size, 0, (size - links->size) * sizeof(struct link *));
	links->by_fd = by_fd;
	links->size = size;
	return 0;
}

int links_add(struct links *links, int fd, const char *remote)
{
	struct link *link, *old = NULL;
	int r;

	pthread_mutex_lock(&links->lock);
	r = grow(links, fd);
	if (r == 0 && (link = take_spare(links)) == NULL)
		r = -ENOMEM;
	if (r == 0) {
		link_init(link, links, fd, remote);
		old = links->by_fd[fd];
		links->by_fd[fd] = link;
	}
	pthread_mutex_unlock(&links->lock);
	link_unref(old);
	return r;
}

/* The number in "fd:N"; -1 if the call's peer is something else. */
static int fd_of(grpc_call *call)
{
	char *peer = grpc_call_get_peer(call);
	int fd = -1;

	if (peer != NULL && strncmp(peer, "fd:", 3) == 0 && peer[3] >= '0' && peer[3] <= '9')
		fd = (int)strtol(peer + 3, NULL, 10);
	gpr_free(peer);
	return fd;
}

static struct link *find(struct links *links, int fd)
{
	struct link *link = NULL;

	pthread_mutex_lock(&links->lock);
	if (fd >= 0 && (size_t)fd < links->size)
		link = links->by_fd[fd];
	if (link != NULL)
		atomic_fetch_add(&link->refs, 1);
	pthread_mutex_unlock(&links->lock);
	return link;
}

int links_enter(struct links *links, grpc_call *call, int64_t max, struct link **out)
{
	struct link *link = find(links, fd_of(call));

	*out = link;
	if (link != NULL && (int64_t)atomic_fetch_add(&link->calls, 1) >= max)
		return -EMFILE;
	return 0;
}

void links_leave(struct link *link)
{
	if (link == NULL)
		return;
	atomic_fetch_sub(&link->calls, 1);
	link_unref(link);
}

const char *links_remote(const struct link *link)
{
	return link != NULL ? link->remote : "?";
}

/* Whether the socket was still there; a negative errno if that cannot be seen now. */
static int shut_socket(const struct link *link)
{
	int copy = fcntl(link->fd, F_DUPFD_CLOEXEC, 0);
	struct stat st;
	bool same;

	if (copy < 0)
		return errno == EBADF ? 0 : -errno;
	same = link->inode != 0 && fstat(copy, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       st.st_ino == link->inode;
	if (same)
		shutdown(copy, SHUT_RDWR);
	close(copy);
	return same;
}

bool links_cut(struct link *link)
{
	if (link == NULL || atomic_exchange(&link->cut, true))
		return false;
	if (shut_socket(link) < 0) {
		/* No descriptor for it now: the next call tries again. */
		atomic_store(&link->cut, false);
		return false;
	}
	return true;
}

unsigned links_cut_all(struct links *links)
{
	unsigned n = 0;

	pthread_mutex_lock(&links->lock);
	for (size_t i = 0; i < links->size; i++)
		if (links->by_fd[i] != NULL && shut_socket(links->by_fd[i]) > 0)
			n++;
	pthread_mutex_unlock(&links->lock);
	return n;
}
