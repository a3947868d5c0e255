/* Streams over a socket pair: what the contract promises a consumer about room and pauses. */
#include "conn.h"
#include "conn_limits.h"
#include "io.h"
#include "metrics.h"
#include "service.h"
#include "stream.h"

#include <criterion/criterion.h>

#include <semaphore.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define CONNECTIONS 2

struct consumer {
	struct nbs_conn *conn;
	int client;              /* the other end of its socket */
	struct consumer *pauses; /* when bytes arrive */
	atomic_size_t bytes;
	atomic_uint writables;
};

static struct metrics *metrics;
static struct conn_limits *limits;
static struct services *services;
static struct io *io;
static struct conns *conns;
static struct conn_origin origin = {.plaintext = true};
static struct conns_parts parts;
static struct consumer consumers[CONNECTIONS];
static unsigned n_open;
static sem_t opened, held, go;

static void room(void *arg)
{
	(void)arg;
}

static void readable(void *cookie, const void *bytes, size_t len)
{
	struct consumer *c = cookie;

	(void)bytes;
	atomic_fetch_add(&c->bytes, len);
	if (c->pauses != NULL)
		stream_pause(c->pauses->conn);
}

static void writable(void *cookie)
{
	atomic_fetch_add(&((struct consumer *)cookie)->writables, 1);
}

static void nothing(void *cookie)
{
	(void)cookie;
}

static void closed(void *cookie, int err)
{
	(void)cookie;
	(void)err;
}

static const struct nbs_conn_ops ops = {.size = sizeof(ops),
                                        .readable = readable,
                                        .eof = nothing,
                                        .writable = writable,
                                        .woken = nothing,
                                        .closed = closed};

static int open_stream(void *arg, struct nbs_conn *conn, void *thread,
                       const struct nbs_conn_ops **out, void **cookie)
{
	struct consumer *c = &consumers[n_open++];

	(void)arg;
	(void)thread;
	c->conn = conn;
	*out = &ops;
	*cookie = c;
	sem_post(&opened);
	return 0;
}

static const struct nbs_service service = {
    .size = sizeof(service), .protocol = "h2", .open = open_stream};

static void connect_one(void)
{
	const union conn_address nobody = {.sa.sa_family = AF_UNSPEC};
	struct consumer *c = &consumers[n_open];
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	c->client = fds[1];
	cr_assert(conn_limits_enter(limits, false));
	conn_accepted(conns, &origin, fds[0], dup(fds[0]), &nobody);
	cr_assert_eq(send(c->client, PREFACE, strlen(PREFACE), 0), (ssize_t)strlen(PREFACE));
	sem_wait(&opened);
	while (atomic_load(&c->bytes) < strlen(PREFACE))
		usleep(1000);
}

static void set_up(void)
{
	sem_init(&opened, 0, 0);
	sem_init(&held, 0, 0);
	sem_init(&go, 0, 0);
	cr_assert_eq(metrics_open(&metrics), 0);
	cr_assert_eq(services_open(&services), 0);
	cr_assert_eq(services_register(services, "test", &service, NULL), 0);
	origin.http2 = services_find(services, "h2", "");
	cr_assert_eq(conn_limits_open(&limits, room, NULL), 0);
	conn_limits_configure(limits, CONNECTIONS, 0, 100);
	cr_assert_eq(io_open(&io, 1, 1), 0);
	parts = (struct conns_parts){.io = io, .limits = limits, .services = services};
	cr_assert_eq(conns_open(&conns, &parts, metrics), 0);
	conns_configure(conns, 10000);
	cr_assert_eq(io_start(io, conns_leave_thread, conns), 0);
}

static void tear_down(void)
{
	io_stop(io);
	cr_assert_eq(conn_limits_count(limits), 0);
	for (unsigned i = 0; i < n_open; i++)
		close(consumers[i].client);
	conns_close(conns);
	conn_limits_close(limits);
	io_close(io);
	services_close(services);
	metrics_close(metrics);
}

TestSuite(stream, .init = set_up, .fini = tear_down, .timeout = 30);

/* The thread stands still from hold() to let_go(). */
static void stand(struct io_task *task)
{
	(void)task;
	sem_post(&held);
	sem_wait(&go);
}

static struct io_task standing = {.run = stand};

static void hold(void)
{
	io_post(io_thread_at(io, 0), &standing);
	sem_wait(&held);
}

static void fill_and_add_nothing(struct io_task *task)
{
	static const char block[65536];
	struct nbs_conn *conn = consumers[0].conn;

	(void)task;
	while (stream_write(conn, block, sizeof(block)) == sizeof(block))
		;
	stream_write(conn, block, 0); /* takes all that there is */
	sem_post(&held);
}

Test(stream, a_short_write_is_answered_whatever_is_written_after_it)
{
	struct io_task task = {.run = fill_and_add_nothing};
	char buffer[65536];

	connect_one();
	io_post(io_thread_at(io, 0), &task);
	sem_wait(&held);
	while (atomic_load(&consumers[0].writables) == 0)
		if (recv(consumers[0].client, buffer, sizeof(buffer), 0) < 0)
			usleep(1000);
}

Test(stream, nothing_is_read_after_a_pause_by_a_neighbour)
{
	size_t before = strlen(PREFACE), read;

	connect_one();
	connect_one();
	hold();
	consumers[0].pauses = &consumers[1];
	consumers[1].pauses = &consumers[0];
	for (unsigned i = 0; i < CONNECTIONS; i++)
		cr_assert_eq(send(consumers[i].client, "x", 1, 0), 1);
	sem_post(&go);
	hold(); /* a whole turn later */
	sem_post(&go);
	read = atomic_load(&consumers[0].bytes) + atomic_load(&consumers[1].bytes) - 2 * before;
	cr_assert_eq(read, 1, "the second was paused before it was read; read %zu", read);
}
