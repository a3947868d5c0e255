/* Certificates that are confined to a protocol (RFC 8737): who gets them, and that they are in
 * nobody else's way.  Handshakes run in memory. */
#include "metrics.h"
#include "tls_pem_case.h"
#include "tls_talk_case.h"

#define ACME   \
	"\x0a" \
	"acme-tls/1"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
static struct metrics *metrics;
static struct certstore *store;
static struct tls_config conf;
static struct made first, proof;
static SSL_CTX *ctx; /* a client, of the version that begin() was told */

static void load_and_use(void)
{
	struct certs *certs;

	cr_assert_eq(certstore_load(store, &conf.cfg, &certs), 0, "%s", text_of(file));
	certstore_use(store, &conf.cfg, certs);
}

static void provide_challenge(const char *name, const char *server_name, const struct made *m)
{
	struct nbs_cert cert = cert_of(name, m);

	cert.server_name = server_name;
	cert.alpn = "acme-tls/1";
	cr_assert_eq(certstore_provide(store, "acme", &cert), 0, "%s", text_of(file));
}

static void set_up(void)
{
	make_dir();
	open_log();
	cr_assert_eq(metrics_open(&metrics), 0);
	cr_assert_eq(certstore_open(&store, metrics), 0);
	config_begin(&conf);
	first = make_cert(&(struct wanted){.cn = "first", .names = "DNS:first.example"});
	proof = make_cert(&(struct wanted){.cn = "proof", .names = "DNS:first.example"});
	config_add(&conf, "first", &first);
	load_and_use();
}

static void tear_down(void)
{
	SSL_CTX_free(ctx);
	free_cert(&first);
	free_cert(&proof);
	certstore_close(store);
	metrics_close(metrics);
	remove_dir();
}

TestSuite(certs_challenge, .init = set_up, .fini = tear_down, .timeout = 60);

static void begin(int version, const char *protocols)
{
	SSL_CTX_free(ctx);
	ctx = client_ctx(version);
	cr_assert_eq(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)protocols,
	                                     (unsigned)strlen(protocols)),
	             0);
}

/* "common name, protocol", the number of the alert, or "failed". */
static const char *outcome(const char *name, SSL_SESSION *session)
{
	static char text[96];
	struct certs *certs = certstore_get(store);
	struct talk t = talk(ctx, certs, name, session);
	const unsigned char *alpn;
	unsigned long e;
	unsigned len;

	snprintf(text, sizeof(text), "failed");
	while ((e = ERR_get_error()) != 0)
		if (ERR_GET_REASON(e) >= SSL_AD_REASON_OFFSET)
			snprintf(text, sizeof(text), "%d",
			         ERR_GET_REASON(e) - SSL_AD_REASON_OFFSET);
	if (both_done(&t)) {
		SSL_get0_alpn_selected(t.client, &alpn, &len);
		snprintf(text, sizeof(text), "%s, %.*s%s%s", shown_to(t.client), (int)len,
		         (const char *)alpn, SSL_session_reused(t.server) ? ", resumed" : "",
		         certs_answered_challenge(t.server) ? ", challenged" : "");
	}
	hang_up(&t);
	certs_unref(certs);
	return text;
}

#define PROVEN "proof, acme-tls/1, challenged"
#define NO_APPLICATION_PROTOCOL "120"

Test(certs_challenge, who_gets_it)
{
	provide_challenge("c", "first.example", &proof);
	for (size_t i = 0; i < 2; i++) {
		begin(versions[i], ACME);
		cr_expect_str_eq(outcome("first.example", NULL), PROVEN);
		cr_expect_str_eq(outcome("FIRST.example", NULL), PROVEN);
		cr_expect_str_eq(outcome("second.example", NULL), NO_APPLICATION_PROTOCOL);
		cr_expect_str_eq(outcome(NULL, NULL), NO_APPLICATION_PROTOCOL);
		begin(versions[i], "\x02h2" ACME);
		cr_expect_str_eq(outcome("first.example", NULL), PROVEN);
		cr_expect_str_eq(outcome("second.example", NULL), "first, h2");
		begin(versions[i], "\x02h2");
		cr_expect_str_eq(outcome("first.example", NULL), "first, h2");
		cr_expect_str_eq(outcome(NULL, NULL), "first, h2");
		begin(versions[i], "\x09"
		                   "acme-tls/"
		                   "\x0b"
		                   "acme-tls/11");
		cr_expect_str_eq(outcome("first.example", NULL), "first, ");
		begin(versions[i], "");
		cr_expect_str_eq(outcome("first.example", NULL), "first, ");
	}
}

Test(certs_challenge, without_one_the_protocol_is_refused)
{
	for (size_t i = 0; i < 2; i++) {
		begin(versions[i], ACME);
		cr_expect_str_eq(outcome("first.example", NULL), NO_APPLICATION_PROTOCOL);
		begin(versions[i], ACME "\x08http/1.1");
		cr_expect_str_eq(outcome("first.example", NULL), "first, http/1.1");
	}
	provide_challenge("c", "first.example", &proof);
	begin(TLS1_3_VERSION, ACME);
	cr_expect_str_eq(outcome("first.example", NULL), PROVEN);
	cr_expect_eq(certstore_withdraw(store, "acme", "c"), 0);
	cr_expect_str_eq(outcome("first.example", NULL), NO_APPLICATION_PROTOCOL);
}

Test(certs_challenge, several_stand_by_name)
{
	struct made other = make_cert(&(struct wanted){.cn = "other"});

	provide_challenge("a", "first.example", &proof);
	provide_challenge("b", "1.2.0.192.in-addr.arpa", &other);
	begin(TLS1_3_VERSION, ACME);
	cr_expect_str_eq(outcome("first.example", NULL), PROVEN);
	cr_expect_str_eq(outcome("1.2.0.192.in-addr.arpa", NULL), "other, acme-tls/1, challenged");
	free_cert(&other);
}

Test(certs_challenge, the_names_of_the_certificate_will_do)
{
	provide_challenge("c", NULL, &proof);
	begin(TLS1_3_VERSION, ACME);
	cr_expect_str_eq(outcome("first.example", NULL), PROVEN);
	begin(TLS1_3_VERSION, "\x02h2");
	cr_expect_str_eq(outcome("first.example", NULL), "first, h2");
}

Test(certs_challenge, it_alone_makes_no_tls_for_others)
{
	conf.cfg.n_pairs = 0;
	load_and_use();
	provide_challenge("c", "first.example", &proof);
	cr_expect_not(certstore_serves(store));
	for (size_t i = 0; i < 2; i++) {
		begin(versions[i], ACME);
		cr_expect_str_eq(outcome("first.example", NULL), PROVEN);
		begin(versions[i], "\x02h2");
		cr_expect_str_eq(outcome("first.example", NULL), "112", "unrecognized_name");
	}
}

Test(certs_challenge, a_reload_keeps_it)
{
	provide_challenge("c", "first.example", &proof);
	load_and_use();
	begin(TLS1_3_VERSION, ACME);
	cr_expect_str_eq(outcome("first.example", NULL), PROVEN);
}

/* The client's first key share is of a group that we do not have. */
Test(certs_challenge, after_a_retry)
{
	provide_challenge("c", "first.example", &proof);
	begin(TLS1_3_VERSION, ACME);
	cr_assert_eq(SSL_CTX_set1_groups_list(ctx, "ffdhe2048:X25519"), 1);
	cr_expect_str_eq(outcome("first.example", NULL), PROVEN);
}

Test(certs_challenge, the_authority_needs_no_certificate)
{
	struct made ca = make_cert(&(struct wanted){.cn = "authority"});

	conf.cfg.client_ca = path_of("ca.crt");
	put_cert(conf.cfg.client_ca, &ca, NULL);
	load_and_use();
	provide_challenge("c", "first.example", &proof);
	for (size_t i = 0; i < 2; i++) {
		begin(versions[i], ACME);
		cr_expect_str_eq(outcome("first.example", NULL), PROVEN);
		begin(versions[i], "\x02h2");
		cr_expect_str_neq(outcome("first.example", NULL), "first, h2");
	}
	free_cert(&ca);
}

/* --- tickets -------------------------------------------------------------------------------- */

/* What a client may resume after a handshake, or NULL. */
static SSL_SESSION *session_of(const char *name)
{
	struct certs *certs = certstore_get(store);
	struct talk t = talk(ctx, certs, name, NULL);
	SSL_SESSION *session = NULL;
	char byte;

	cr_assert(both_done(&t));
	SSL_read(t.client, &byte, 1); /* a ticket of TLS 1.3 */
	if (SSL_SESSION_is_resumable(SSL_get0_session(t.client)))
		session = SSL_get1_session(t.client);
	SSL_shutdown(t.client);
	hang_up(&t);
	certs_unref(certs);
	return session;
}

Test(certs_challenge, it_gives_no_ticket_and_takes_none)
{
	for (size_t i = 0; i < 2; i++) {
		SSL_SESSION *session;

		provide_challenge("c", "first.example", &proof);
		begin(versions[i], ACME);
		cr_expect_null(session_of("first.example"));
		begin(versions[i], "\x02h2");
		session = session_of("first.example");
		cr_assert_not_null(session);
		cr_expect_str_eq(outcome("first.example", session), "first, h2, resumed");
		SSL_SESSION_free(session);
		session = session_of("first.example");
		SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)ACME, strlen(ACME));
		cr_expect_str_eq(outcome("first.example", session), PROVEN);
		SSL_SESSION_free(session);
	}
}

/* --- listeners without HTTP/2 --------------------------------------------------------------- */

static const char *chosen_without_http2(const char *name)
{
	static char text[32];
	struct certs *certs = certstore_get(store);
	struct talk t = talk_begin(ctx, certs, name, NULL);
	const unsigned char *alpn;
	unsigned len;

	cr_assert(certs_forgo_http2(t.server));
	talk_on(&t);
	cr_assert(both_done(&t));
	SSL_get0_alpn_selected(t.client, &alpn, &len);
	snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)alpn);
	hang_up(&t);
	certs_unref(certs);
	return text;
}

Test(certs_challenge, http2_is_not_offered_where_nobody_serves_it)
{
	provide_challenge("c", "first.example", &proof);
	for (size_t i = 0; i < 2; i++) {
		begin(versions[i], "\x02h2\x08http/1.1");
		cr_expect_str_eq(chosen_without_http2("first.example"), "http/1.1");
		begin(versions[i], "\x02h2");
		cr_expect_str_eq(chosen_without_http2("first.example"), "");
		begin(versions[i], ACME);
		cr_expect_str_eq(chosen_without_http2("first.example"), "acme-tls/1");
	}
}
