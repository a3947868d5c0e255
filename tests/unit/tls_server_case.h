/*
 * For tests of TLS over real connections: everything between accept() and a service of the open()
 * form, with two network threads and two handshake threads, and clients on loopback.
 *
 * The service sends back what comes until the test says otherwise.
 */
#ifndef TLS_SERVER_CASE_H
#define TLS_SERVER_CASE_H

#include "certstore.h"
#include "clock.h"
#include "conn.h"
#include "conn_limits.h"
#include "metrics.h"
#include "service.h"
#include "stream.h"
#include "tls.h"
#include "tls_case.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PREFACE_LEN (sizeof(PREFACE) - 1)
#define PATIENCE_MS 20000

/* What the service knows of its last connection. */
struct served {
	struct nbs_conn *_Atomic conn;
	atomic_size_t bytes, sent;
	atomic_uint opens, eofs, closes;
	atomic_int error;
	atomic_bool pause;       /* after the next bytes */
	atomic_bool pause_first; /* in open() */
	atomic_bool silent;      /* sends nothing, learns nothing of who it is */
	atomic_size_t source;    /* send that many bytes, as fast as there is room */
	struct nbs_conn_about about;
	atomic_uint thread;
};

static struct metrics *metrics;
static struct conn_limits *limits;
static struct services *services;
static struct io *io;
static struct certstore *store;
static struct tls *tls;
static struct conns *conns;
static struct conn_origin origin = {.listener = "test", .plaintext = true, .tls = true};
static struct tls_config conf;
static struct made first;
static struct served served;
static int listening = -1;

static void no_room(void *arg)
{
	(void)arg;
}

/* --- the service -------------------------------------------------------------------------------
 */

#define PATTERN 40009 /* a prime: no record or buffer is as long */

/* The byte at a place of what the service sends. */
static unsigned char pattern_at(size_t at)
{
	return (unsigned char)(at % PATTERN * 31 >> 3);
}

static void feed(void *cookie)
{
	static unsigned char block[PATTERN];
	size_t at = atomic_load(&served.sent), want, n;

	(void)cookie;
	for (size_t i = 0; at == 0 && i < PATTERN; i++)
		block[i] = pattern_at(i);
	while ((want = atomic_load(&served.source) - at) > 0) {
		if (want > PATTERN - at % PATTERN)
			want = PATTERN - at % PATTERN;
		n = stream_write(served.conn, block + at % PATTERN, want);
		atomic_store(&served.sent, at += n);
		if (n < want)
			break;
	}
}

static void readable(void *cookie, const void *bytes, size_t len)
{
	(void)cookie;
	atomic_fetch_add(&served.bytes, len);
	if (!atomic_load(&served.silent))
		cr_expect_eq(stream_write(served.conn, bytes, len), len);
	if (atomic_exchange(&served.pause, false))
		stream_pause(served.conn);
}

static void eof(void *cookie)
{
	(void)cookie;
	atomic_fetch_add(&served.eofs, 1);
}

static void closed(void *cookie, int err)
{
	(void)cookie;
	atomic_store(&served.error, err);
	atomic_fetch_add(&served.closes, 1);
}

static const struct nbs_conn_ops ops = {.size = sizeof(ops),
                                        .readable = readable,
                                        .eof = eof,
                                        .writable = feed,
                                        .woken = feed,
                                        .closed = closed};

static int take(void *arg, struct nbs_conn *conn, void *thread, const struct nbs_conn_ops **out,
                void **cookie)
{
	(void)arg;
	(void)thread;
	if (!atomic_load(&served.silent)) {
		served.about.size = sizeof(served.about);
		conn_about(conn, &served.about);
	}
	atomic_store(&served.thread, io_thread_index(conn->thread));
	atomic_store(&served.conn, conn);
	*out = &ops;
	*cookie = NULL;
	if (atomic_load(&served.pause_first))
		stream_pause(conn);
	atomic_fetch_add(&served.opens, 1);
	return 0;
}

static const struct nbs_service echo = {.size = sizeof(echo), .protocol = "h2", .open = take};

/* --- the server --------------------------------------------------------------------------------
 */

static void listen_somewhere(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert(bind(listening, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
	          listen(listening, 128) == 0);
}

static void load_certs(void)
{
	struct certs *certs;

	cr_assert_eq(certstore_load(store, &conf.cfg, &certs), 0);
	certstore_use(store, &conf.cfg, certs);
}

static void server_start(void)
{
	struct conns_parts parts;

	make_dir();
	open_log();
	log_set_level(NBS_DEBUG);
	cr_assert_eq(metrics_open(&metrics), 0);
	cr_assert_eq(services_open(&services), 0);
	cr_assert_eq(services_register(services, "test", &echo, NULL), 0);
	origin.http2 = services_find(services, "h2", "");
	cr_assert_eq(conn_limits_open(&limits, no_room, NULL), 0);
	conn_limits_configure(limits, 10000, 0, 100000);
	cr_assert_eq(io_open(&io, 2, 2), 0);
	cr_assert_eq(certstore_open(&store, metrics), 0);
	cr_assert_eq(tls_open(&tls, io, store, metrics), 0);
	parts = (struct conns_parts){.io = io, .limits = limits, .services = services, .tls = tls};
	cr_assert_eq(conns_open(&conns, &parts, metrics), 0);
	conns_configure(conns, 10000);
	config_begin(&conf);
	first = make_cert(&(struct wanted){.cn = "first", .names = "DNS:first.example"});
	config_add(&conf, "first", &first);
	load_certs();
	listen_somewhere();
	cr_assert_eq(io_start(io, conns_leave_thread, conns), 0);
}

static void server_stop(void)
{
	io_stop(io);
	cr_expect_eq(conn_limits_count(limits), 0);
	close(listening);
	conns_close(conns);
	tls_close(tls);
	certstore_close(store);
	conn_limits_close(limits);
	io_close(io);
	services_close(services);
	metrics_close(metrics);
	free_cert(&first);
	remove_dir();
}

/* A client's end; the server has the other. */
static int dial(void)
{
	union conn_address sa;
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, server;

	cr_assert(getsockname(listening, &sa.sa, &len) == 0 && connect(fd, &sa.sa, len) == 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	len = sizeof(sa);
	server = accept4(listening, &sa.sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	cr_assert(server >= 0 && conn_limits_enter(limits, false));
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	conn_accepted(conns, &origin, server, dup(server), &sa);
	return fd;
}

/* --- what happened ------------------------------------------------------------------------------
 */

struct seek {
	const char *name, *labels;
	double value;
};

static void visit(void *arg, const struct nbs_metric_desc *d, const double *values, size_t n)
{
	struct seek *s = arg;

	(void)n;
	if (strcmp(d->name, s->name) == 0 &&
	    strcmp(d->labels != NULL ? d->labels : "", s->labels) == 0)
		s->value = values[0];
}

static inline double value_of(const char *name, const char *labels)
{
	struct seek s = {name, labels, -1};

	metrics_each(metrics, visit, &s);
	cr_assert(s.value != -1, "no metric %s{%s}", name, labels);
	return s.value;
}

/* Waits until the condition holds; the test fails if it does not. */
#define await(condition)                                                          \
	do {                                                                      \
		const uint64_t until = clock_ms() + PATIENCE_MS;                  \
                                                                                  \
		while (!(condition)) {                                            \
			cr_assert(clock_ms() < until, "in vain: %s", #condition); \
			usleep(1000);                                             \
		}                                                                 \
	} while (0)

#define failures(reason) value_of("tls_handshake_failures_total", "reason=\"" reason "\"")
#define refusals(reason) value_of("connections_refused_total", "reason=\"" reason "\"")

/* --- clients ------------------------------------------------------------------------------------
 */

/* A blocking client whose handshake is done. */
static inline SSL *greet(SSL_CTX *ctx)
{
	int fd = dial();
	SSL *ssl = SSL_new(ctx);

	SSL_set_fd(ssl, fd);
	SSL_set_tlsext_host_name(ssl, "first.example");
	cr_assert_eq(SSL_connect(ssl), 1, "%s", ERR_reason_error_string(ERR_peek_error()));
	return ssl;
}

/* The same, and the service has it. */
static SSL *meet(SSL_CTX *ctx)
{
	unsigned opens = atomic_load(&served.opens);
	SSL *ssl = greet(ctx);

	cr_assert_eq(SSL_write(ssl, PREFACE, PREFACE_LEN), (int)PREFACE_LEN);
	await(atomic_load(&served.opens) > opens);
	return ssl;
}

static void part(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	SSL_free(ssl);
	close(fd);
}

static void read_all(SSL *ssl, void *bytes, size_t len)
{
	size_t at = 0;
	int n;

	while (at < len) {
		n = SSL_read(ssl, (char *)bytes + at, (int)(len - at));
		cr_assert(n > 0, "%d: %s", SSL_get_error(ssl, n),
		          ERR_reason_error_string(ERR_peek_error()));
		at += (size_t)n;
	}
}

#endif
