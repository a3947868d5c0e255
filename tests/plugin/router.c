/*
 * For tests: takes the messages for ids that begin with `prefix` ("far-") and, on a thread of its
 * own, answers each with a message from that id to its sender, whose body is the EncryptedMessage
 * as it was taken.  Metrics: router_taken_total, router_answered_total.
 */
#include <netbird-signal/plugin.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

NBS_PLUGIN_NOTE;

enum { TAKEN, ANSWERED, N_METRICS };

struct item {
	struct item *next;
	struct nbs_msg *msg;
};

struct router {
	struct nbs_host *host;
	struct nbs_metric *metrics[N_METRICS];
	const char *prefix;
	pthread_t thread;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t changed;
	struct item *first, **last;
	bool quit;
};

static int route(void *self, struct nbs_msg *msg)
{
	struct router *t = self;
	const size_t n = strlen(t->prefix);
	struct item *item;

	if (msg->to_len < n || memcmp(msg->to, t->prefix, n) != 0)
		return -ENOENT;
	if ((item = malloc(sizeof(*item))) == NULL)
		return -ENOENT;
	item->next = NULL;
	item->msg = t->host->msg_ref(msg);
	pthread_mutex_lock(&t->lock);
	*t->last = item;
	t->last = &item->next;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
	t->host->metric_record(t->metrics[TAKEN], 1);
	return 0;
}

/* Tag and length of a field with bytes; returns how long. */
static size_t field(unsigned char out[static 11], unsigned number, size_t len)
{
	size_t n = 0;

	out[n++] = (unsigned char)(number << 3 | 2);
	for (; len >= 128; len >>= 7)
		out[n++] = (unsigned char)(len | 128);
	out[n++] = (unsigned char)len;
	return n;
}

static void answer(struct router *t, const struct nbs_msg *msg)
{
	unsigned char from[11], to[11], body[11];
	const struct iovec wire[] = {
	    {from, field(from, 2, msg->to_len)}, {(void *)msg->to, msg->to_len},
	    {to, field(to, 3, msg->from_len)},   {(void *)msg->from, msg->from_len},
	    {body, field(body, 4, msg->len)},    {(void *)msg->wire, msg->len},
	};

	if (t->host->forward(t->host, wire, sizeof(wire) / sizeof(*wire), NBS_LOCAL_ONLY) == 0)
		t->host->metric_record(t->metrics[ANSWERED], 1);
}

static struct item *take(struct router *t)
{
	struct item *item;

	pthread_mutex_lock(&t->lock);
	while (t->first == NULL && !t->quit)
		pthread_cond_wait(&t->changed, &t->lock);
	if ((item = t->first) != NULL && (t->first = item->next) == NULL)
		t->last = &t->first;
	pthread_mutex_unlock(&t->lock);
	return item;
}

static void *serve(void *arg)
{
	struct router *t = arg;
	struct item *item;

	while ((item = take(t)) != NULL) {
		answer(t, item->msg);
		t->host->msg_unref(item->msg);
		free(item);
	}
	return NULL;
}

static int register_all(struct router *t)
{
	static const struct nbs_router_ops ops = {.size = sizeof(ops), .route = route};
	static const struct nbs_metric_desc descs[N_METRICS] = {
	    [TAKEN] = {sizeof(*descs), NBS_COUNTER, "router_taken_total", "Taken.", NULL, NULL, 0},
	    [ANSWERED] = {sizeof(*descs), NBS_COUNTER, "router_answered_total", "Answered.", NULL,
	                  NULL, 0},
	};
	int r;

	if ((r = t->host->conf_str(t->host, "prefix", &t->prefix)) < 0)
		return r;
	for (int i = 0; i < N_METRICS; i++)
		if ((r = t->host->metric_register(t->host, &descs[i], &t->metrics[i])) < 0)
			return r;
	return t->host->router_register(t->host, &ops, t);
}

static int router_init(struct nbs_host *host, void **self)
{
	struct router *t;
	int r;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return -ENOMEM;
	t->host = host;
	t->prefix = "far-";
	t->last = &t->first;
	if ((r = register_all(t)) < 0) {
		free(t);
		return r;
	}
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
	*self = t;
	return 0;
}

static int router_start(void *self)
{
	struct router *t = self;
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&t->thread, NULL, serve, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static int router_stop(void *self, unsigned grace_ms)
{
	struct router *t = self;

	(void)grace_ms;
	pthread_mutex_lock(&t->lock);
	t->quit = true;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	return 0;
}

static void router_destroy(void *self)
{
	struct router *t = self;

	while (t->first != NULL) {
		struct item *item = t->first;

		t->first = item->next;
		t->host->msg_unref(item->msg);
		free(item);
	}
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,       .name = "router",    .version = "1.0",          .init = router_init,
    .start = router_start, .stop = router_stop, .destroy = router_destroy,
};
