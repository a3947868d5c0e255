/* Handshakes as clients do them, rightly and wrongly, and the limit on how many are under way. */
#include "certs.h"
#include "tls_server_case.h"

#include <pthread.h>

TestSuite(tls_handshake, .init = server_start, .fini = server_stop, .timeout = 60);

static void all_clear(void)
{
	await(conn_limits_count(limits) == 0);
	cr_expect_eq(value_of("tls_handshakes_in_progress", ""), 0);
}

static void expect_about(int version, const char *text)
{
	SSL_CTX *ctx = client_ctx(version);
	SSL *ssl = meet(ctx);

	cr_expect_str_eq(served.about.tls, text);
	cr_expect_str_eq(served.about.alpn, "h2");
	cr_expect_str_eq(served.about.server_name, "first.example");
	cr_expect_lt(served.thread, 2, "it went home to a network thread");
	part(ssl);
	SSL_CTX_free(ctx);
	all_clear();
}

Test(tls_handshake, the_service_learns_what_was_agreed)
{
	expect_about(TLS1_2_VERSION, "TLSv1.2");
	expect_about(TLS1_3_VERSION, "TLSv1.3");
	cr_expect_eq(value_of("tls_handshakes_total", "version=\"1.2\""), 1);
	cr_expect_eq(value_of("tls_handshakes_total", "version=\"1.3\""), 1);
}

/* Steps of the server's handshakes, by the thread that took them. */
static atomic_uint steps_aside, steps_elsewhere;

static void step_taken(const SSL *ssl, int where, int what)
{
	char name[16] = "";

	(void)ssl;
	(void)what;
	if ((where & SSL_CB_LOOP) == 0)
		return;
	cr_expect_eq(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
	atomic_fetch_add(strncmp(name, "tls-", 4) == 0 ? &steps_aside : &steps_elsewhere, 1);
}

Test(tls_handshake, it_keeps_no_network_thread_busy)
{
	const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct certs *certs = certstore_get(store);

	SSL_CTX_set_info_callback(certs->ctx, step_taken);
	certs_unref(certs);
	for (size_t i = 0; i < 2; i++) {
		SSL_CTX *ctx = client_ctx(versions[i]);
		unsigned before = atomic_load(&steps_aside);

		for (int n = 0; n < 4; n++)
			part(meet(ctx));
		cr_expect_gt(atomic_load(&steps_aside), before);
		SSL_CTX_free(ctx);
	}
	all_clear();
	cr_expect_eq(atomic_load(&steps_elsewhere), 0);
}

Test(tls_handshake, a_resumed_session_knows_the_name_as_well)
{
	const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	for (size_t i = 0; i < 2; i++) {
		SSL_CTX *ctx = client_ctx(versions[i]);
		SSL *ssl = meet(ctx);
		SSL_SESSION *session;
		char echoed[PREFACE_LEN];

		read_all(ssl, echoed, sizeof(echoed));
		session = SSL_get1_session(ssl);
		SSL_shutdown(ssl);
		part(ssl);
		ssl = SSL_new(ctx);
		SSL_set_session(ssl, session);
		SSL_set_tlsext_host_name(ssl, "first.example");
		SSL_set_fd(ssl, dial());
		cr_assert_eq(SSL_connect(ssl), 1);
		cr_expect_eq(SSL_session_reused(ssl), 1);
		cr_assert_eq(SSL_write(ssl, PREFACE, PREFACE_LEN), (int)PREFACE_LEN);
		await(atomic_load(&served.opens) == 2 * i + 2);
		cr_expect_str_eq(served.about.server_name, "first.example");
		part(ssl);
		SSL_SESSION_free(session);
		SSL_CTX_free(ctx);
	}
}

/* A client's whole talk, a byte at a time. */
static void trickle(BIO *from, int fd)
{
	char byte;

	while (BIO_read(from, &byte, 1) == 1)
		cr_assert_eq(send(fd, &byte, 1, MSG_NOSIGNAL), 1);
}

static void soak(BIO *to, int fd)
{
	char bytes[4096];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

	cr_assert(n > 0);
	BIO_write(to, bytes, (int)n);
}

static void byte_by_byte(int version)
{
	SSL_CTX *ctx = client_ctx(version);
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	unsigned opens = atomic_load(&served.opens);
	int fd = dial();

	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	while (SSL_do_handshake(ssl) != 1) {
		trickle(out, fd);
		soak(in, fd);
	}
	for (size_t i = 0; i < PREFACE_LEN; i++)
		cr_assert_eq(SSL_write(ssl, PREFACE + i, 1), 1); /* a record each */
	trickle(out, fd);
	await(atomic_load(&served.opens) == opens + 1);
	SSL_free(ssl);
	close(fd);
	SSL_CTX_free(ctx);
	all_clear();
}

Test(tls_handshake, bytes_may_come_one_by_one)
{
	byte_by_byte(TLS1_2_VERSION);
	byte_by_byte(TLS1_3_VERSION);
	await(atomic_load(&served.closes) == 2);
	cr_expect_eq(atomic_load(&served.bytes), 2 * PREFACE_LEN);
}

Test(tls_handshake, first_bytes_in_the_flight_of_the_handshake_are_seen)
{
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	int fd = dial();
	char *bytes;
	long len;

	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	while (SSL_do_handshake(ssl) != 1) {
		len = BIO_get_mem_data(out, &bytes);
		cr_assert_eq(send(fd, bytes, (size_t)len, 0), len);
		cr_assert_eq(BIO_reset(out), 1);
		soak(in, fd);
	}
	cr_assert_eq(SSL_write(ssl, PREFACE "and more", PREFACE_LEN + 8), (int)PREFACE_LEN + 8);
	len = BIO_get_mem_data(out, &bytes); /* Finished and the preface */
	cr_assert_eq(send(fd, bytes, (size_t)len, 0), len);
	await(atomic_load(&served.bytes) == PREFACE_LEN + 8);
	SSL_free(ssl);
	close(fd);
	SSL_CTX_free(ctx);
}

/* --- failures -----------------------------------------------------------------------------------
 */

static void fail_with(SSL_CTX *ctx)
{
	SSL *ssl = SSL_new(ctx);
	int fd = dial();

	SSL_set_fd(ssl, fd);
	cr_expect_neq(SSL_connect(ssl), 1);
	part(ssl);
	SSL_CTX_free(ctx);
	all_clear();
}

Test(tls_handshake, an_old_version_is_refused)
{
	SSL_CTX *ctx = client_ctx(TLS1_1_VERSION);

	SSL_CTX_set_security_level(ctx, 0);
	fail_with(ctx);
	cr_expect_eq(failures("version"), 1);
	cr_expect_eq(refusals("tls_handshake"), 1);
	cr_expect(strstr(text_of(file), "INFO  tls: handshake failed: no version of TLS in common "
	                                "listener=test remote=127.0.0.1:") != NULL);
	cr_expect(strstr(text_of(file), "reason=\"unsupported protocol\"") != NULL, "%s",
	          text_of(file));
}

Test(tls_handshake, ciphers_without_forward_secrecy_are_refused)
{
	SSL_CTX *ctx = client_ctx(TLS1_2_VERSION);

	SSL_CTX_set_cipher_list(ctx, "AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA");
	fail_with(ctx);
	cr_expect_eq(failures("cipher"), 1);
}

Test(tls_handshake, a_client_that_distrusts_us_is_told_to_the_operator)
{
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);

	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	fail_with(ctx);
	cr_expect_eq(failures("rejected"), 1);
	cr_expect(strstr(text_of(file), "WARN  tls: a client does not accept the certificate "
	                                "listener=test remote=127.0.0.1:") != NULL,
	          "%s", text_of(file));
}

Test(tls_handshake, a_client_without_its_certificate_is_refused)
{
	SSL_CTX *ctx = client_ctx(TLS1_2_VERSION);

	conf.cfg.client_ca = conf.pairs[0].cert_file;
	load_certs();
	fail_with(ctx);
	cr_expect_eq(failures("certificate"), 1);
}

Test(tls_handshake, a_client_with_a_wrong_certificate_is_refused)
{
	SSL_CTX *ctx = client_ctx(TLS1_2_VERSION);
	struct made other = make_cert(&(struct wanted){.cn = "other"});

	conf.cfg.client_ca = conf.pairs[0].cert_file;
	load_certs();
	SSL_CTX_use_certificate(ctx, other.cert);
	SSL_CTX_use_PrivateKey(ctx, other.key);
	fail_with(ctx);
	cr_expect_eq(failures("certificate"), 1);
	cr_expect(strstr(text_of(file), "reason=\"self-signed certificate\"") != NULL, "%s",
	          text_of(file));
	free_cert(&other);
}

/* The beginning of a ClientHello, as many bytes of it. */
static int half_hello(size_t len)
{
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	int fd = dial();
	char *bytes;

	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	SSL_do_handshake(ssl);
	cr_assert_gt(BIO_get_mem_data(out, &bytes), (long)len);
	cr_assert_eq(send(fd, bytes, len, 0), (ssize_t)len);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return fd;
}

/* Reads until the server has ended it. */
static void await_end(int fd)
{
	char bytes[4096];

	while (recv(fd, bytes, sizeof(bytes), 0) > 0)
		;
	close(fd);
}

Test(tls_handshake, garbage_behind_a_hello_is_refused)
{
	int fd = half_hello(30);
	char junk[2000];

	memset(junk, 0xa5, sizeof(junk));
	cr_assert_gt(send(fd, junk, sizeof(junk), MSG_NOSIGNAL), 0);
	await_end(fd);
	all_clear();
	cr_expect_eq(failures("garbage"), 1);
	cr_expect_eq(refusals("tls_handshake"), 1);
}

Test(tls_handshake, a_client_that_leaves_is_noticed_at_once)
{
	uint64_t begin = clock_ms();

	close(half_hello(100));
	all_clear();
	cr_expect_eq(failures("left"), 1);
	cr_expect_eq(refusals("left"), 1);
	cr_expect_lt(clock_ms() - begin, 5000);
}

Test(tls_handshake, half_a_hello_times_out)
{
	int fd;

	conns_configure(conns, 300);
	fd = half_hello(100);
	await_end(fd);
	all_clear();
	cr_expect_eq(failures("timeout"), 1);
	cr_expect_eq(refusals("handshake_timeout"), 1);
}

Test(tls_handshake, silence_after_the_handshake_times_out)
{
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
	SSL *ssl;

	conns_configure(conns, 300);
	ssl = greet(ctx);
	all_clear();
	cr_expect_eq(failures("timeout"), 0);
	cr_expect_eq(refusals("handshake_timeout"), 1);
	part(ssl);
	SSL_CTX_free(ctx);
}

Test(tls_handshake, without_certificates_tls_is_not_served)
{
	conf.cfg.n_pairs = 0;
	load_certs();
	await_end(half_hello(100));
	all_clear();
	cr_expect_eq(refusals("unserved_protocol"), 1);
}

/* --- the limit ----------------------------------------------------------------------------------
 */

#define in_progress() value_of("tls_handshakes_in_progress", "")

Test(tls_handshake, the_oldest_that_stalls_gives_way)
{
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
	int oldest, other;
	uint64_t begin = clock_ms();

	tls_configure(tls, 2);
	oldest = half_hello(100);
	await(in_progress() == 1);
	other = half_hello(100);
	await(in_progress() == 2);
	part(meet(ctx));
	cr_expect_geq(clock_ms() - begin, 900, "it had to wait");
	cr_expect_lt(clock_ms() - begin, 5000);
	cr_expect_eq(failures("stalled"), 1);
	cr_expect_eq(refusals("handshake_limit"), 1);
	cr_expect(strstr(text_of(file), "WARN  tls: max-handshakes is reached") != NULL);
	await_end(oldest);
	cr_expect_eq(send(other, "x", 1, MSG_NOSIGNAL), 1);
	cr_expect_eq(recv(other, &(char){0}, 1, MSG_DONTWAIT), -1, "this one is still there");
	close(other);
	all_clear();
	SSL_CTX_free(ctx);
}

Test(tls_handshake, nobody_gives_way_while_nobody_waits)
{
	int fd;

	tls_configure(tls, 1);
	conns_configure(conns, 2000);
	fd = half_hello(100);
	await_end(fd);
	all_clear();
	cr_expect_eq(failures("stalled"), 0);
	cr_expect_eq(failures("timeout"), 1);
}

Test(tls_handshake, many_that_stall_give_way_one_after_the_other)
{
	enum { STALLED = 12 };
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
	int fds[STALLED];

	tls_configure(tls, 4);
	for (int i = 0; i < STALLED; i++)
		fds[i] = half_hello(100);
	await(failures("stalled") == STALLED - 4); /* until nobody waits */
	part(meet(ctx));
	cr_expect_eq(failures("stalled"), STALLED - 4 + 1);
	for (int i = 0; i < STALLED; i++)
		close(fds[i]);
	all_clear();
	SSL_CTX_free(ctx);
}

Test(tls_handshake, those_that_wait_time_out_as_well)
{
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
	int busy, waits;

	tls_configure(tls, 1);
	conns_configure(conns, 500);
	busy = half_hello(100);
	await(in_progress() == 1);
	waits = half_hello(100);
	await_end(busy);
	await_end(waits);
	all_clear();
	cr_expect_eq(failures("timeout"), 2);
	conns_configure(conns, 10000);
	part(meet(ctx));
	SSL_CTX_free(ctx);
}

Test(tls_handshake, a_raised_limit_lets_them_in)
{
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
	SSL *ssl = SSL_new(ctx);
	int busy;

	tls_configure(tls, 1);
	busy = half_hello(100);
	await(in_progress() == 1);
	SSL_set_fd(ssl, dial());
	fcntl(SSL_get_fd(ssl), F_SETFL, O_NONBLOCK);
	SSL_connect(ssl);
	tls_configure(tls, 2);
	await(SSL_connect(ssl) == 1);
	part(ssl);
	close(busy);
	all_clear();
	cr_expect_eq(failures("stalled"), 0);
	SSL_CTX_free(ctx);
}

/* Each of these clients ends in another way. */
static void come_and_go(SSL_CTX *ctx, unsigned how)
{
	const struct linger now = {.l_onoff = 1};
	SSL *ssl;
	int fd;

	switch (how % 4) {
	case 0:
		part(greet(ctx));
		return;
	case 1:
		ssl = greet(ctx);
		cr_assert_eq(SSL_write(ssl, PREFACE, PREFACE_LEN), (int)PREFACE_LEN);
		part(ssl);
		return;
	case 2:
		fd = half_hello(how % 200 + 1);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(fd);
		return;
	default:
		close(half_hello(how % 200 + 1));
	}
}

static void *crowd(void *seed)
{
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);

	for (unsigned i = 0; i < 100; i++)
		come_and_go(ctx, *(unsigned *)seed + i * 7);
	SSL_CTX_free(ctx);
	return NULL;
}

Test(tls_handshake, clients_may_come_and_go)
{
	unsigned seeds[] = {0, 1, 2, 3};
	pthread_t threads[4];

	atomic_store(&served.silent, true);
	tls_configure(tls, 3);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, crowd, &seeds[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	all_clear();
	cr_expect_eq(value_of("tls_handshakes_total", "version=\"1.3\""), 200);
}

/* server_stop() finds fault if one of them is left. */
Test(tls_handshake, a_stop_ends_those_under_way_and_those_that_wait)
{
	int fds[8];

	tls_configure(tls, 3);
	for (int i = 0; i < 8; i++)
		fds[i] = half_hello(100);
	await(in_progress() == 3);
	io_stop(io);
	for (int i = 0; i < 8; i++)
		await_end(fds[i]);
	cr_expect_eq(in_progress(), 0);
}
