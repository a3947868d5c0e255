/* The messages that are half here: their memory and their deadlines. */
#include "receive.h"

#include "clock.h"

#include <netbird-signal/plugin.h>

#include <errno.h>
#include <signal.h>

#define COMPLAINT_INTERVAL 60000 /* ms between two lines of the log */

void receive_open(struct receive *r, struct nbs_host *host, size_t max_message, size_t memory,
                  int64_t timeout)
{
	*r = (struct receive){
	    .host = host, .max_message = max_message, .memory = memory, .timeout = timeout};
	r->complained = -COMPLAINT_INTERVAL;
	pthread_mutex_init(&r->lock, NULL);
	clock_cond_open(&r->changed);
}

void receive_close(struct receive *r)
{
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
}

/* --- under the lock --- */

static void enlist(struct receive *r, struct half *h)
{
	h->deadline = clock_now() + r->timeout;
	h->listed = true;
	h->newer = NULL;
	h->older = r->newest;
	if (h->older != NULL)
		h->older->newer = h;
	else
		r->oldest = h;
	r->newest = h;
	if (r->idle)
		pthread_cond_signal(&r->changed);
}

static void unlist(struct receive *r, struct half *h)
{
	if (!h->listed)
		return;
	h->listed = false;
	if (h->older != NULL)
		h->older->newer = h->newer;
	else
		r->oldest = h->newer;
	if (h->newer != NULL)
		h->newer->older = h->older;
	else
		r->newest = h->older;
}

static void drop(struct receive *r, struct half *h)
{
	unlist(r, h);
	r->used -= h->assembly.cap;
	assemble_reset(&h->assembly);
}

/* It is on the list, so its WebSocket is there: closed() takes the lock to leave it. */
static void give_up(struct receive *r, struct half *h, int why)
{
	drop(r, h);
	atomic_store(&h->lost, why);
	r->host->ws_wake(h->ws);
}

/* Room for `need` bytes in place of what h has: the oldest have to go for it, h too if it is the
 * oldest. */
static int make_room(struct receive *r, struct half *h, size_t need)
{
	while (r->used - h->assembly.cap + need > r->memory) {
		if (r->oldest == NULL || r->oldest == h)
			return -ENOBUFS;
		give_up(r, r->oldest, -ENOBUFS);
	}
	return 0;
}

static int add(struct receive *r, struct half *h, const void *bytes, size_t len, unsigned flags,
               struct iovec message[static ASSEMBLE_PARTS])
{
	const size_t had = h->assembly.cap;
	const size_t need = assemble_need(&h->assembly, len, flags, r->max_message);
	int n = atomic_load(&h->lost);

	if (n < 0)
		return n;
	if (need > had && (n = make_room(r, h, need)) < 0) {
		atomic_store(&h->lost, n);
		return n;
	}
	n = assemble_piece(&h->assembly, bytes, len, flags, r->max_message, message);
	r->used += h->assembly.cap - had;
	if (n == 0 && !h->listed)
		enlist(r, h);
	else if (n != 0)
		unlist(r, h);
	return n;
}

/* --- of the WebSocket's thread --- */

/* Whether it is time for a line again. */
static bool may_complain(struct receive *r)
{
	const int64_t now = clock_now();
	bool due;

	pthread_mutex_lock(&r->lock);
	due = now - r->complained >= COMPLAINT_INTERVAL;
	if (due)
		r->complained = now;
	pthread_mutex_unlock(&r->lock);
	return due;
}

int receive_piece(struct receive *r, struct half *h, const void *bytes, size_t len, unsigned flags,
                  struct iovec message[static ASSEMBLE_PARTS])
{
	int n;

	/* Most messages are whole, and then nobody else knows of this one. */
	if (!h->begun && (flags & NBS_WS_FIRST) && (flags & NBS_WS_FINAL))
		return assemble_piece(&h->assembly, bytes, len, flags, r->max_message, message);
	h->begun = true;
	pthread_mutex_lock(&r->lock);
	n = add(r, h, bytes, len, flags, message);
	pthread_mutex_unlock(&r->lock);
	return n;
}

void receive_reset(struct receive *r, struct half *h)
{
	if (!h->begun)
		return;
	pthread_mutex_lock(&r->lock);
	drop(r, h);
	pthread_mutex_unlock(&r->lock);
	h->begun = false;
	if (atomic_load(&h->lost) == -ENOBUFS && may_complain(r))
		r->host->log(r->host, NBS_WARN,
		             "unfinished messages fill receive-memory, the oldest are given up: "
		             "memory_mib=%zu",
		             r->memory >> 20);
}

int receive_lost(const struct half *h)
{
	return atomic_load(&((struct half *)h)->lost);
}

/* --- the thread --- */

static void *run(void *arg)
{
	struct receive *r = arg;

	pthread_mutex_lock(&r->lock);
	while (!r->quit) {
		while (r->oldest != NULL && r->oldest->deadline <= clock_now())
			give_up(r, r->oldest, -ETIMEDOUT);
		r->idle = r->oldest == NULL;
		if (r->idle)
			pthread_cond_wait(&r->changed, &r->lock);
		else
			clock_wait(&r->changed, &r->lock, r->oldest->deadline);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

int receive_start(struct receive *r)
{
	sigset_t all, before;
	int e;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&r->thread, NULL, run, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (e != 0)
		return -e;
	pthread_setname_np(r->thread, "websocket");
	return 0;
}

void receive_stop(struct receive *r)
{
	pthread_mutex_lock(&r->lock);
	r->quit = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
}
