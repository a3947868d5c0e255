/* What comes after the handshake of a certificate authority (RFC 8737), over real connections. */
#include "tls_pem_case.h"
#include "tls_server_case.h"

#define ACME   \
	"\x0a" \
	"acme-tls/1"

static struct made proof;

static void begin(void)
{
	struct nbs_cert cert;

	server_start();
	proof = make_cert(&(struct wanted){.cn = "proof", .names = "DNS:first.example"});
	cert = cert_of("c", &proof);
	cert.server_name = "first.example";
	cert.alpn = "acme-tls/1";
	cr_assert_eq(certstore_provide(store, "acme", &cert), 0);
	empty_log();
}

static void end(void)
{
	server_stop();
	free_cert(&proof);
}

TestSuite(tls_challenge, .init = begin, .fini = end, .timeout = 60);

static SSL_CTX *authority(int version)
{
	SSL_CTX *ctx = client_ctx(version);

	SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)ACME, strlen(ACME));
	return ctx;
}

#define challenges() value_of("tls_challenge_handshakes_total", "")
#define all_gone() await(value_of("connections_open", "") == 0)

/* Nothing but what is told at debug. */
static void expect_silence(void)
{
	const char *text = text_of(file);

	cr_expect(strstr(text, "ERROR") == NULL && strstr(text, "WARN") == NULL &&
	              strstr(text, "INFO") == NULL,
	          "%s", text);
	cr_expect(strstr(text, "tls: a challenge was answered listener=test remote=127.0.0.1:") !=
	              NULL,
	          "%s", text);
}

Test(tls_challenge, it_is_closed_in_an_orderly_way)
{
	const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	for (size_t i = 0; i < 2; i++) {
		SSL_CTX *ctx = authority(versions[i]);
		SSL *ssl = greet(ctx);
		char byte;

		cr_expect_str_eq(shown_to(ssl), "proof");
		cr_expect_eq(SSL_read(ssl, &byte, 1), 0);
		cr_expect_eq(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN, "close_notify");
		cr_expect_eq(recv(SSL_get_fd(ssl), &byte, 1, 0), 0, "FIN");
		cr_expect_eq(value_of("connections_open", ""), 1, "until the client closes");
		part(ssl);
		all_gone();
		SSL_CTX_free(ctx);
	}
	cr_expect_eq(challenges(), 2);
	cr_expect_eq(value_of("tls_handshakes_total", "version=\"1.2\""), 1);
	cr_expect_eq(value_of("tls_handshakes_total", "version=\"1.3\""), 1);
	cr_expect_eq(value_of("tls_handshakes_in_progress", ""), 0);
	cr_expect_eq(atomic_load(&served.opens), 0, "no service had it");
	expect_silence();
}

/* Unread bytes would make the kernel reset the connection. */
Test(tls_challenge, what_the_client_sends_is_thrown_away)
{
	SSL_CTX *ctx = authority(TLS1_3_VERSION);
	SSL *ssl = greet(ctx);
	char block[4096] = PREFACE, byte;

	for (int i = 0; i < 8; i++)
		cr_assert_eq(SSL_write(ssl, block, sizeof(block)), (int)sizeof(block));
	cr_expect_eq(SSL_read(ssl, &byte, 1), 0);
	cr_expect_eq(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN);
	cr_expect_eq(atomic_load(&served.opens), 0);
	SSL_shutdown(ssl);
	part(ssl);
	all_gone();
	expect_silence();
	SSL_CTX_free(ctx);
}

Test(tls_challenge, a_client_that_stays_is_left)
{
	SSL_CTX *ctx = authority(TLS1_3_VERSION);
	uint64_t since = clock_ms();
	SSL *ssl = greet(ctx);

	await(value_of("tls_handshakes_in_progress", "") == 0);
	all_gone();
	cr_expect_geq(clock_ms() - since, 4900);
	expect_silence();
	part(ssl);
	SSL_CTX_free(ctx);
}

Test(tls_challenge, one_that_is_open_at_the_end_is_closed)
{
	SSL_CTX *ctx = authority(TLS1_3_VERSION);
	SSL *ssl = greet(ctx);

	await(challenges() == 1);
	io_stop(io);
	cr_expect_eq(conn_limits_count(limits), 0);
	part(ssl);
	SSL_CTX_free(ctx);
}

Test(tls_challenge, an_authority_that_leaves_at_once_is_no_fault)
{
	SSL_CTX *ctx = authority(TLS1_3_VERSION);

	for (int i = 0; i < 20; i++) {
		SSL *ssl = greet(ctx);

		SSL_shutdown(ssl);
		part(ssl);
	}
	await(challenges() == 20);
	all_gone();
	expect_silence();
	SSL_CTX_free(ctx);
}

Test(tls_challenge, without_one_it_is_a_failure_of_its_own_kind)
{
	SSL_CTX *ctx = authority(TLS1_3_VERSION);
	int fd = dial();
	SSL *ssl = SSL_new(ctx);

	SSL_set_fd(ssl, fd);
	SSL_set_tlsext_host_name(ssl, "other.example");
	cr_expect_neq(SSL_connect(ssl), 1);
	all_gone();
	cr_expect_eq(failures("protocol"), 1);
	cr_expect_eq(refusals("tls_handshake"), 1);
	cr_expect(strstr(text_of(file), "INFO  tls: handshake failed: no challenge stands for it "
	                                "listener=test") != NULL,
	          "%s", text_of(file));
	part(ssl);
	SSL_CTX_free(ctx);
}

Test(tls_challenge, others_are_served_as_ever)
{
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
	SSL *ssl = meet(ctx);
	char bytes[PREFACE_LEN];

	read_all(ssl, bytes, sizeof(bytes));
	cr_expect_str_eq(served.about.alpn, "h2");
	cr_expect_str_eq(shown_to(ssl), "first");
	cr_expect_eq(challenges(), 0);
	part(ssl);
	SSL_CTX_free(ctx);
}
