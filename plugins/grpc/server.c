/*
 * The C core server: its queues, the sockets it is given, and its end.
 */
#include "server.h"

#include "arguments.h"
#include "call.h"
#include "deadline.h"
#include "library.h"
#include "links.h"
#include "message.h"
#include "queue.h"
#include "request.h"
#include "transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

/* What the end keeps of the grace: once for connections without a call to acknowledge the GOAWAY,
 * once for cancelled calls to tell their clients. */
#define PART_MS 250
/* What C core does not need to notice sockets that were cut off. */
#define CUT_MS 5000

struct server {
	struct transport *transport;
	grpc_server *core;
	grpc_server_credentials *credentials;
	void *registered[METHODS];
	struct queue *queues;
	unsigned n_queues;
	/* The end; the tag comes on the thread of the first queue. */
	struct tag stopped_tag;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopped;
};

static void queues_close(struct server *s, unsigned n)
{
	while (n > 0)
		queue_close(&s->queues[--n]);
	free(s->queues);
}

static int queues_open(struct server *s)
{
	int r = 0;

	s->n_queues = s->transport->limits.io_threads > 0 ? s->transport->limits.io_threads : 1;
	s->queues = calloc(s->n_queues, sizeof(*s->queues));
	if (s->queues == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < s->n_queues; i++) {
		s->queues[i].transport = s->transport;
		s->queues[i].core = s->core;
		s->queues[i].registered = s->registered;
		if ((r = queue_open(&s->queues[i], i)) < 0) {
			queues_close(s, i);
			break;
		}
	}
	return r;
}

static void server_free(struct server *s)
{
	grpc_server_credentials_release(s->credentials);
	library_close();
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct server *server_new(struct transport *t)
{
	struct server *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;

	if (s == NULL)
		return NULL;
	s->transport = t;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	message_open(t->host);
	library_open(t->host);
	s->credentials = grpc_insecure_server_credentials_create();
	return s;
}

static int server_open(struct server **out, struct transport *t)
{
	struct server *s = server_new(t);
	int r = -ENOMEM;

	if (s == NULL)
		goto err0;
	s->core = arguments_server(&t->config, &t->limits);
	if (s->core == NULL)
		goto err1;
	request_register(s->core, s->registered);
	if ((r = queues_open(s)) < 0)
		goto err2;
	grpc_server_start(s->core);
	for (unsigned i = 0; i < s->n_queues; i++)
		request_all(&s->queues[i]);
	*out = s;
	return 0;
err2:
	grpc_server_destroy(s->core);
err1:
	server_free(s);
err0:
	return r;
}

int server_start(struct server **out, struct transport *t)
{
	sigset_t all, old;
	int r;

	/* The daemon's signals are for its main thread, not for ours or C core's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = server_open(out, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		t->host->log(t->host, NBS_ERROR, "cannot start: error=%d", -r);
	return r;
}

/* Fails on a socket that is no TCP, and need not succeed: inside TLS the daemon's own timeout of a
 * minute holds. */
static void tune(const struct transport *t, int fd)
{
	unsigned timeout = (unsigned)t->config.keepalive_timeout;

	/* C core's keepalive cannot tell while a write is stuck: its ping waits behind it. */
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

int server_adopt(struct server *s, int fd, struct nbs_conn *conn)
{
	struct transport *t = s->transport;
	struct nbs_conn_about about = {.size = sizeof(about)};
	int r;

	t->host->conn_about(conn, &about);
	if ((r = links_add(t->links, fd, about.remote)) < 0)
		return r;
	tune(t, fd);
	metrics_add(&t->metrics, t->metrics.connections, 1);
	/* Its failures are C core's: it closes the socket then, which ends the connection. */
	grpc_server_add_channel_from_fd(s->core, fd, s->credentials);
	return 0;
}

static void stopped(struct tag *tag, bool ok)
{
	struct server *s = TAG_OWNER(tag, struct server, stopped_tag);

	(void)ok;
	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static bool wait_stopped(struct server *s, unsigned ms)
{
	struct timespec until;
	bool done;

	deadline_after(&until, CLOCK_MONOTONIC, ms);
	pthread_mutex_lock(&s->lock);
	while (!s->stopped && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
		;
	done = s->stopped;
	pthread_mutex_unlock(&s->lock);
	return done;
}

/* Waits until no call is left, for at most `ms`, and then a moment for the connections: a client
 * that vanished never acknowledges a GOAWAY. */
static bool wait_calls(struct server *s, unsigned ms, unsigned moment_ms)
{
	bool none = pending_wait(&s->transport->calls, ms);

	return wait_stopped(s, none ? moment_ms : 0);
}

static bool end_calls(struct server *s, unsigned ms)
{
	struct nbs_host *host = s->transport->host;
	unsigned n;

	grpc_server_cancel_all_calls(s->core);
	if (wait_stopped(s, ms))
		return true;
	/* A connection whose write is stuck survives that: C core waits for the write. */
	n = links_cut_all(s->transport->links);
	host->log(host, NBS_INFO, "cut off what did not end: connections=%u", n);
	return wait_stopped(s, CUT_MS);
}

/* In this order: while a call is left its handlers start batches, which a queue that is shut down
 * must not see. */
static int server_close(struct server *s)
{
	struct nbs_host *host = s->transport->host;

	grpc_server_destroy(s->core);
	if (!pending_wait(&s->transport->calls, CUT_MS)) {
		host->log(host, NBS_ERROR, "calls are left");
		return -ETIMEDOUT;
	}
	queues_close(s, s->n_queues);
	if (!message_close(CUT_MS))
		host->log(host, NBS_ERROR, "gRPC did not give back all messages");
	server_free(s);
	return 0;
}

int server_stop(struct server *s, unsigned grace_ms)
{
	struct nbs_host *host = s->transport->host;
	unsigned part_ms = grace_ms / 4 < PART_MS ? grace_ms / 4 : PART_MS;

	s->stopped_tag.done = stopped;
	grpc_server_shutdown_and_notify(s->core, s->queues[0].cq, &s->stopped_tag);
	if (!wait_calls(s, grace_ms - 2 * part_ms, part_ms) && !end_calls(s, part_ms)) {
		host->log(host, NBS_ERROR, "gRPC did not come to an end");
		return -ETIMEDOUT;
	}
	return server_close(s);
}
