/*
 * yardstick.c - what a signal server costs on bare gRPC C core: no registry, no plugins, no
 * bounds, a plain map from ids to calls, its own listener.  The channel arguments, completion
 * queues and threads are those of plugins/grpc.
 *
 *   yardstick 127.0.0.1:PORT                      prints "listening port=N"; SIGTERM or SIGINT
 *   yardstick_tls 127.0.0.1:PORT CERTIFICATE KEY  ends it
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <netbird-signal/plugin.h>

#include "../../plugins/grpc/arguments.h"
#include "../../plugins/grpc/config.h"
#include "idmap.h"
#include "listen.h"
#include "stream.h"

#define MAX_LANES 64
#define SENDS 64 /* requests outstanding on each queue, as in plugins/grpc */
#define CONNECTS 32

/* A completion queue and the thread that serves it. */
struct lane {
	struct yardstick *y;
	grpc_completion_queue *queue;
	pthread_t thread;
};

struct yardstick {
	grpc_server *server;
	void *send, *connect; /* the two methods */
	struct idmap *streams;
	struct lane lanes[MAX_LANES];
	unsigned n_lanes;
	struct tag down;
	sem_t is_down;
};

/* A call that is awaited or, for Send, being answered. */
struct arrival {
	struct tag come, answered;
	struct lane *lane;
	void *method;
	grpc_call *call;
	gpr_timespec deadline;
	grpc_metadata_array metadata;
	grpc_byte_buffer *payload;
	int cancelled;
};

static void await(struct lane *lane, void *method);

static void on_answered(struct tag *t, int ok)
{
	struct arrival *a = (struct arrival *)((char *)t - offsetof(struct arrival, answered));

	(void)ok;
	grpc_call_unref(a->call);
	free(a);
}

static void answer(struct arrival *a)
{
	grpc_byte_buffer *empty = grpc_raw_byte_buffer_create(NULL, 0);
	grpc_op ops[4] = {
	    {.op = GRPC_OP_SEND_INITIAL_METADATA},
	    {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = empty},
	    {.op = GRPC_OP_SEND_STATUS_FROM_SERVER},
	    {.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
	     .data.recv_close_on_server.cancelled = &a->cancelled},
	};
	grpc_call_error err = grpc_call_start_batch(a->call, ops, 4, &a->answered, NULL);

	GPR_ASSERT(err == GRPC_CALL_OK);
	grpc_byte_buffer_destroy(empty);
}

static void on_come(struct tag *t, int ok)
{
	struct arrival *a = (struct arrival *)t;
	struct yardstick *y = a->lane->y;

	if (!ok) { /* the server shuts down */
		grpc_metadata_array_destroy(&a->metadata);
		free(a);
		return;
	}
	await(a->lane, a->method);
	if (a->method == y->send) {
		if (a->payload != NULL)
			stream_forward(y->streams, a->payload);
		answer(a);
		grpc_metadata_array_destroy(&a->metadata);
		return;
	}
	stream_begin(y->streams, a->call, &a->metadata);
	grpc_metadata_array_destroy(&a->metadata);
	free(a);
}

static void await(struct lane *lane, void *method)
{
	struct arrival *a = calloc(1, sizeof(*a));
	grpc_call_error err;

	if (a == NULL)
		abort();
	a->come.done = on_come;
	a->answered.done = on_answered;
	a->lane = lane;
	a->method = method;
	grpc_metadata_array_init(&a->metadata);
	err = grpc_server_request_registered_call(
	    lane->y->server, method, &a->call, &a->deadline, &a->metadata,
	    method == lane->y->send ? &a->payload : NULL, lane->queue, lane->queue, a);
	GPR_ASSERT(err == GRPC_CALL_OK);
}

static void *serve(void *arg)
{
	struct lane *lane = arg;
	grpc_event event;
	struct tag *t;

	for (;;) {
		event = grpc_completion_queue_next(lane->queue, gpr_inf_future(GPR_CLOCK_REALTIME),
		                                   NULL);
		if (event.type == GRPC_QUEUE_SHUTDOWN)
			return NULL;
		t = event.tag;
		t->done(t, event.success);
	}
}

static void on_down(struct tag *t, int ok)
{
	struct yardstick *y = (struct yardstick *)((char *)t - offsetof(struct yardstick, down));

	(void)ok;
	sem_post(&y->is_down);
}

static int no_key(struct nbs_host *h, const char *key, int64_t min, int64_t max, int64_t *v)
{
	(void)h, (void)key, (void)min, (void)max, (void)v;
	return 0;
}

/* The plugin's own arguments at its own defaults: a host whose configuration is empty. */
static grpc_server *make_server(void)
{
	struct nbs_host empty = {
	    .conf_int = no_key,
	    .conf_duration = no_key,
	    .conf_size = no_key,
	};
	struct nbs_limits limits = {.max_message = 4194304, .max_connections = 20000};
	struct config config;

	if (config_read(&config, &empty) < 0)
		abort();
	return arguments_server(&config, &limits);
}

static int open_server(struct yardstick *y, const char *address, char **args)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int port;

	y->streams = idmap_new(stream_hold);
	y->down.done = on_down;
	sem_init(&y->is_down, 0, 0);
	y->server = make_server();
	y->n_lanes = cores < 1 ? 1 : cores > MAX_LANES ? MAX_LANES : (unsigned)cores;
	y->send = grpc_server_register_method(y->server, "/signalexchange.SignalExchange/Send",
	                                      NULL, GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
	y->connect =
	    grpc_server_register_method(y->server, "/signalexchange.SignalExchange/ConnectStream",
	                                NULL, GRPC_SRM_PAYLOAD_NONE, 0);
	for (unsigned i = 0; i < y->n_lanes; i++) {
		y->lanes[i].y = y;
		y->lanes[i].queue = grpc_completion_queue_create_for_next(NULL);
		grpc_server_register_completion_queue(y->server, y->lanes[i].queue, NULL);
	}
	if ((port = listen_on(y->server, address, args)) == 0)
		return 0;
	grpc_server_start(y->server);
	for (unsigned i = 0; i < y->n_lanes; i++) {
		for (int n = 0; n < SENDS; n++)
			await(&y->lanes[i], y->send);
		for (int n = 0; n < CONNECTS; n++)
			await(&y->lanes[i], y->connect);
		if (pthread_create(&y->lanes[i].thread, NULL, serve, &y->lanes[i]) != 0)
			abort();
	}
	return port;
}

static void close_server(struct yardstick *y)
{
	grpc_server_shutdown_and_notify(y->server, y->lanes[0].queue, &y->down);
	grpc_server_cancel_all_calls(y->server);
	while (sem_wait(&y->is_down) != 0)
		;
	grpc_server_destroy(y->server);
	for (unsigned i = 0; i < y->n_lanes; i++) {
		grpc_completion_queue_shutdown(y->lanes[i].queue);
		pthread_join(y->lanes[i].thread, NULL);
		grpc_completion_queue_destroy(y->lanes[i].queue);
	}
	idmap_free(y->streams);
}

int main(int argc, char **argv)
{
	static struct yardstick y;
	struct rlimit lim;
	sigset_t ends;
	int port, sig;

	if (argc != 2 + listen_args) {
		fprintf(stderr, "usage: %s ADDRESS:PORT%s\n", argv[0], listen_usage);
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL); /* before C core makes threads */
	arguments_environment();
	grpc_init();
	if ((port = open_server(&y, argv[1], argv + 2)) == 0)
		return 1;
	printf("listening port=%d\n", port);
	fflush(stdout);
	sigwait(&ends, &sig);
	close_server(&y);
	grpc_shutdown();
	return 0;
}
