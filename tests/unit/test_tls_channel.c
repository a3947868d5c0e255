/* A stream's bytes through TLS: all of them, with back-pressure, and every way in which it ends. */
#include "tls_server_case.h"

#include <malloc.h>

static SSL_CTX *ctx;

static void set_up(void)
{
	server_start();
	ctx = client_ctx(TLS1_3_VERSION);
}

static void tear_down(void)
{
	SSL_CTX_free(ctx);
	server_stop();
}

TestSuite(tls_channel, .init = set_up, .fini = tear_down, .timeout = 60);

/* Runs on the connection's thread. */
struct errand {
	struct io_task task;
	void (*run)(struct nbs_conn *conn);
	atomic_bool done;
};

static void run_errand(struct io_task *task)
{
	struct errand *e = (struct errand *)task;

	e->run(served.conn);
	atomic_store(&e->done, true);
}

static void there(void (*run)(struct nbs_conn *conn))
{
	struct errand e = {.task.run = run_errand, .run = run};

	io_post(io_thread_at(io, served.thread), &e.task);
	await(atomic_load(&e.done));
}

static void send_source(struct nbs_conn *conn)
{
	(void)conn;
	feed(NULL);
}

static void resume(struct nbs_conn *conn)
{
	stream_resume(conn);
}

static void close_flush(struct nbs_conn *conn)
{
	stream_close(conn, NBS_CLOSE_FLUSH);
}

static void close_abort(struct nbs_conn *conn)
{
	stream_close(conn, NBS_CLOSE_ABORT);
}

static SSL *meet_silent(void)
{
	atomic_store(&served.silent, true);
	return meet(ctx);
}

static void write_all(SSL *ssl, size_t len)
{
	static const char block[50000];

	for (size_t n; len > 0; len -= n) {
		n = len < sizeof(block) ? len : sizeof(block);
		cr_assert_eq(SSL_write(ssl, block, (int)n), (int)n);
	}
}

/* Reads what the service sends and compares it. */
static void read_pattern(SSL *ssl, size_t from, size_t len)
{
	static unsigned char bytes[1 << 16];

	for (size_t n; len > 0; len -= n, from += n) {
		n = len < sizeof(bytes) ? len : sizeof(bytes);
		read_all(ssl, bytes, n);
		for (size_t i = 0; i < n; i++)
			cr_assert_eq(bytes[i], pattern_at(from + i), "at %zu", from + i);
	}
}

static void await_closed(int err)
{
	await(atomic_load(&served.closes) == 1);
	cr_expect_eq(atomic_load(&served.error), err, "%d", atomic_load(&served.error));
	await(conn_limits_count(limits) == 0);
}

Test(tls_channel, every_size_comes_back)
{
	static unsigned char out[70000], in[70000];
	SSL *ssl = meet(ctx);

	read_all(ssl, in, PREFACE_LEN);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = pattern_at(i);
	for (size_t len = 1; len <= sizeof(out); len = len * 3 / 2 + 1) {
		cr_assert_eq(SSL_write(ssl, out, (int)len), (int)len);
		read_all(ssl, in, len);
		cr_assert_eq(memcmp(in, out, len), 0, "%zu", len);
	}
	part(ssl);
}

Test(tls_channel, many_megabytes_go_in)
{
	const size_t all = 8 << 20;
	SSL *ssl = meet_silent();

	write_all(ssl, all);
	await(atomic_load(&served.bytes) == PREFACE_LEN + all);
	part(ssl);
}

Test(tls_channel, many_megabytes_come_out)
{
	const size_t all = 8 << 20;
	SSL *ssl = meet_silent();

	atomic_store(&served.source, all);
	there(send_source);
	read_pattern(ssl, 0, all);
	part(ssl);
}

/* What one socket holds, ours and theirs, and the stream's queue. */
#define IN_BETWEEN (16 << 20)

Test(tls_channel, a_client_that_does_not_read_is_not_written_to)
{
	const size_t all = 64 << 20;
	SSL *ssl = meet_silent();
	size_t sent;

	atomic_store(&served.source, all);
	there(send_source);
	do {
		sent = atomic_load(&served.sent);
		usleep(200000); /* no change for that long: it is full */
	} while (sent != atomic_load(&served.sent));
	cr_expect_lt(sent, IN_BETWEEN);
	read_pattern(ssl, 0, sent);
	await(atomic_load(&served.sent) > sent);
	part(ssl);
}

Test(tls_channel, a_paused_consumer_stops_the_client)
{
	static const char block[16384];
	SSL *ssl = meet_silent();
	size_t before = atomic_load(&served.bytes), out = 0, full;
	struct pollfd room = {.fd = SSL_get_fd(ssl), .events = POLLOUT};

	atomic_store(&served.pause, true);
	fcntl(room.fd, F_SETFL, O_NONBLOCK);
	do {
		if (SSL_write(ssl, block, sizeof(block)) > 0)
			out += sizeof(block);
	} while (poll(&room, 1, 500) == 1);
	full = atomic_load(&served.bytes);
	cr_expect_leq(full - before, 2 * IO_READ_BUFFER, "%zu", full - before);
	cr_expect_lt(out, IN_BETWEEN);
	there(resume);
	while (SSL_write(ssl, block, sizeof(block)) <= 0)
		cr_assert_eq(poll(&room, 1, PATIENCE_MS), 1);
	await(atomic_load(&served.bytes) == before + out + sizeof(block));
	part(ssl);
}

/* The first bytes were read from the socket while they were looked at: epoll does not see them. */
Test(tls_channel, what_was_read_before_a_pause_comes_after_it)
{
	SSL *ssl;

	atomic_store(&served.pause_first, true);
	ssl = meet_silent();
	cr_expect_eq(atomic_load(&served.bytes), 0);
	there(resume);
	await(atomic_load(&served.bytes) == PREFACE_LEN);
	part(ssl);
}

Test(tls_channel, pauses_lose_nothing)
{
	SSL *ssl = meet_silent();

	for (int round = 0; round < 20; round++) {
		size_t before = atomic_load(&served.bytes);

		atomic_store(&served.pause, true);
		write_all(ssl, 3 * IO_READ_BUFFER);
		await(!atomic_load(&served.pause));
		there(resume);
		await(atomic_load(&served.bytes) == before + 3 * IO_READ_BUFFER);
	}
	part(ssl);
}

static void resume_and_break(struct nbs_conn *conn)
{
	stream_resume(conn);
	stream_broke(conn, -EIO);
}

/* AddressSanitizer sees it if the task finds the record gone. */
Test(tls_channel, a_connection_may_end_while_its_task_is_on_its_way)
{
	SSL *ssl;

	atomic_store(&served.pause_first, true);
	ssl = meet_silent();
	there(resume_and_break);
	await_closed(-EIO);
	part(ssl);
}

Test(tls_channel, a_connection_that_ends_while_paused_is_given_back)
{
	SSL *ssl = meet_silent();

	atomic_store(&served.pause, true);
	write_all(ssl, 3 * IO_READ_BUFFER);
	await(!atomic_load(&served.pause));
	there(close_abort);
	await_closed(0);
	part(ssl);
}

/* Half a record is nothing to do: the thread sleeps. */
Test(tls_channel, half_a_record_costs_nothing)
{
	const unsigned char half[] = {0x17, 0x03, 0x03, 0x10, 0x00, 1, 2, 3};
	SSL *ssl = meet_silent();
	struct timespec before, after;
	clockid_t clock;

	cr_assert_eq(send(SSL_get_fd(ssl), half, sizeof(half), 0), (ssize_t)sizeof(half));
	cr_assert_eq(clock_getcpuclockid(getpid(), &clock), 0);
	usleep(50000);
	clock_gettime(clock, &before);
	usleep(300000); /* the time that is measured */
	clock_gettime(clock, &after);
	cr_expect_lt((after.tv_sec - before.tv_sec) * 1000000 +
	                 (after.tv_nsec - before.tv_nsec) / 1000,
	             50000, "us");
	cr_expect_eq(atomic_load(&served.closes), 0);
	part(ssl);
}

/* --- the end ------------------------------------------------------------------------------------
 */

Test(tls_channel, close_notify_is_the_end)
{
	SSL *ssl = meet_silent();

	cr_assert_eq(SSL_shutdown(ssl), 0);
	await(atomic_load(&served.eofs) == 1);
	atomic_store(&served.source, 100000);
	there(send_source); /* the other direction is still open */
	read_pattern(ssl, 0, 100000);
	there(close_flush);
	cr_expect_eq(SSL_shutdown(ssl), 1, "the server's close_notify");
	await_closed(0);
	part(ssl);
}

Test(tls_channel, fin_without_close_notify_is_an_end_too)
{
	SSL *ssl = meet_silent();

	cr_assert_eq(shutdown(SSL_get_fd(ssl), SHUT_WR), 0);
	await(atomic_load(&served.eofs) == 1);
	cr_expect_eq(atomic_load(&served.closes), 0);
	atomic_store(&served.source, 100000);
	there(send_source);
	read_pattern(ssl, 0, 100000);
	there(close_flush);
	await_closed(0);
	part(ssl);
}

Test(tls_channel, a_flushing_close_sends_everything_and_close_notify)
{
	const size_t all = 200000;
	SSL *ssl = meet_silent();
	char byte;
	int n;

	atomic_store(&served.source, all);
	there(send_source);
	there(close_flush);
	read_pattern(ssl, 0, all);
	n = SSL_read(ssl, &byte, 1);
	cr_expect_eq(SSL_get_error(ssl, n), SSL_ERROR_ZERO_RETURN);
	cr_expect_eq(recv(SSL_get_fd(ssl), &byte, 1, 0), 0, "and FIN");
	SSL_shutdown(ssl);
	await_closed(0);
	part(ssl);
}

Test(tls_channel, a_client_that_talks_on_after_our_close_is_heard_out)
{
	SSL *ssl = meet_silent();

	there(close_flush);
	write_all(ssl, 300000);
	cr_assert_eq(SSL_shutdown(ssl), 0);
	await_closed(0);
	part(ssl);
}

Test(tls_channel, an_abort_resets)
{
	SSL *ssl = meet_silent();
	ssize_t n;
	char byte;

	there(close_abort);
	await_closed(0);
	while ((n = recv(SSL_get_fd(ssl), &byte, 1, 0)) > 0)
		; /* the ticket */
	cr_expect_eq(n, -1);
	cr_expect_eq(errno, ECONNRESET);
	part(ssl);
}

/* The next close() of the socket resets the connection. */
static void will_reset(int fd)
{
	const struct linger now = {.l_onoff = 1};

	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
}

Test(tls_channel, a_reset_by_the_client_is_an_error)
{
	SSL *ssl = meet_silent();

	will_reset(SSL_get_fd(ssl));
	part(ssl);
	await_closed(-ECONNRESET);
}

/* --- what no client should send ------------------------------------------------------------------
 */

Test(tls_channel, garbage_after_the_handshake_ends_it)
{
	const unsigned char junk[] = "GET / HTTP/1.1\r\n\r\n";
	SSL *ssl = meet_silent();

	cr_assert_gt(send(SSL_get_fd(ssl), junk, sizeof(junk), MSG_NOSIGNAL), 0);
	await_closed(-EPROTO);
	part(ssl);
}

Test(tls_channel, a_record_that_does_not_decrypt_ends_it)
{
	unsigned char record[5 + 40] = {0x17, 0x03, 0x03, 0, 40};
	SSL *ssl = meet_silent();

	cr_assert_gt(send(SSL_get_fd(ssl), record, sizeof(record), MSG_NOSIGNAL), 0);
	await_closed(-EPROTO);
	part(ssl);
}

Test(tls_channel, renegotiation_ends_it)
{
	SSL_CTX *old = client_ctx(TLS1_2_VERSION);
	SSL *ssl;

	atomic_store(&served.silent, true);
	ssl = meet(old);
	SSL_set0_rbio(ssl, BIO_new(BIO_s_mem())); /* it does not hear that we will not */
	cr_assert_eq(SSL_renegotiate(ssl), 1);
	cr_expect_neq(SSL_do_handshake(ssl), 1);
	await_closed(-EPROTO);
	part(ssl);
	SSL_CTX_free(old);
}

static void key_update(SSL *ssl)
{
	cr_assert_eq(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	SSL_do_handshake(ssl);
}

Test(tls_channel, keys_are_updated_when_a_client_asks)
{
	SSL *ssl = meet_silent();

	for (size_t i = 0; i < 10; i++) {
		key_update(ssl);
		write_all(ssl, 1000);
		atomic_fetch_add(&served.source, 1000);
		await(atomic_load(&served.bytes) == PREFACE_LEN + 1000 * (i + 1));
		there(send_source);
		read_pattern(ssl, 1000 * i, 1000);
	}
	part(ssl);
}

Test(tls_channel, a_flood_of_key_updates_ends_it)
{
	SSL *ssl = meet_silent();
	uint64_t begin = clock_ms();

	for (int i = 0; i < 10000 && atomic_load(&served.closes) == 0; i++)
		key_update(ssl);
	await_closed(-EPROTO);
	cr_expect_lt(clock_ms() - begin, 10000);
	part(ssl);
}

/* --- memory -------------------------------------------------------------------------------------
 */

/* What an idle connection holds, with its record, is what its end frees.  The bound is what there
 * was when this was written, and a tenth. */
static size_t idle_bytes(int version)
{
	enum { SESSIONS = 500 };
	static SSL *ssl[SESSIONS];
	SSL_CTX *plain = client_ctx(version);
	int fds[SESSIONS];
	size_t before = atomic_load(&served.bytes), open, shut;

	for (int i = 0; i < SESSIONS; i++)
		ssl[i] = meet(plain);
	await(atomic_load(&served.bytes) == before + SESSIONS * PREFACE_LEN);
	for (int i = 0; i < SESSIONS; i++) {
		fds[i] = dup(SSL_get_fd(ssl[i]));
		will_reset(fds[i]);
		part(ssl[i]);
	}
	SSL_CTX_free(plain);
	open = mallinfo2().uordblks;
	for (int i = 0; i < SESSIONS; i++)
		close(fds[i]);
	await(conn_limits_count(limits) == 0);
	shut = mallinfo2().uordblks;
	return (open - shut) / SESSIONS;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC true
#else
#define OWN_MALLOC false
#endif

Test(tls_channel, an_idle_connection_is_small, .disabled = OWN_MALLOC)
{
	size_t bytes;

	atomic_store(&served.silent, true);
	bytes = idle_bytes(TLS1_3_VERSION);
	printf("bytes of an idle connection: TLS 1.3 %zu\n", bytes);
	cr_expect_lt(bytes, 13500, "%zu", bytes);
	bytes = idle_bytes(TLS1_2_VERSION);
	printf("bytes of an idle connection: TLS 1.2 %zu\n", bytes);
	cr_expect_lt(bytes, 15200, "%zu", bytes);
}
