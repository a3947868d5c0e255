/* Certificates of plugins: who gets which, what is refused, and what lasts through a reload.
 * Handshakes run in memory. */
#include "metrics.h"
#include "tls_pem_case.h"
#include "tls_talk_case.h"

#include <errno.h>

#define INTERVAL 2000

static struct metrics *metrics;
static struct certstore *store;
static struct tls_config conf;
static struct made first, second, third;

static void set_up(void)
{
	make_dir();
	open_log();
	cr_assert_eq(metrics_open(&metrics), 0);
	cr_assert_eq(certstore_open(&store, metrics), 0);
	config_begin(&conf);
	first = make_cert(&(struct wanted){.cn = "first", .names = "DNS:first.example"});
	second = make_cert(
	    &(struct wanted){.cn = "second", .names = "DNS:second.example,DNS:*.wild.example"});
	third = make_cert(&(struct wanted){.cn = "third", .names = "DNS:third.example"});
}

static void tear_down(void)
{
	free_cert(&first);
	free_cert(&second);
	free_cert(&third);
	certstore_close(store);
	metrics_close(metrics);
	remove_dir();
}

TestSuite(certs_provide, .init = set_up, .fini = tear_down, .timeout = 60);

static void load_and_use(void)
{
	struct certs *certs;

	cr_assert_eq(certstore_load(store, &conf.cfg, &certs), 0, "%s", text_of(file));
	certstore_use(store, &conf.cfg, certs);
}

static void provide(const char *owner, const struct nbs_cert *cert)
{
	cr_assert_eq(certstore_provide(store, owner, cert), 0, "%s", text_of(file));
}

static void provide_made(const char *owner, const char *name, const struct made *m)
{
	const struct nbs_cert cert = cert_of(name, m);

	provide(owner, &cert);
}

static void provide_fallback(const char *name, const struct made *m)
{
	struct nbs_cert cert = cert_of(name, m);

	cert.flags = NBS_CERT_FALLBACK;
	provide("p", &cert);
}

/* The common name of who answers to a name, "" if the handshake fails. */
static const char *who_says(SSL_CTX *ctx, const char *name)
{
	struct certs *certs = certstore_get(store);
	const char *cn = "";
	struct talk t;

	if (certs == NULL)
		return "no TLS";
	t = talk(ctx, certs, name, NULL);
	if (both_done(&t))
		cn = shown_to(t.client);
	hang_up(&t);
	certs_unref(certs);
	return cn;
}

static const char *who(const char *name)
{
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
	const char *cn = who_says(ctx, name);

	SSL_CTX_free(ctx);
	return cn;
}

static double expiry;

static void visit(void *arg, const struct nbs_metric_desc *d, const double *values, size_t n)
{
	(void)arg;
	(void)n;
	if (strcmp(d->name, "tls_certificate_expiry_timestamp_seconds") == 0)
		expiry = values[0];
}

/* The days until what the gauge says. */
static double days_left(void)
{
	metrics_each(metrics, visit, NULL);
	return expiry == 0 ? 0 : (expiry - (double)time(NULL)) / DAY;
}

/* --- who gets which ------------------------------------------------------------------------- */

Test(certs_provide, without_a_configuration)
{
	load_and_use();
	cr_assert_null(certstore_get(store));
	provide_made("acme", "main", &second);
	cr_expect(certstore_serves(store));
	cr_expect(strstr(line_of(file), "INFO  tls: certificate provided plugin=acme name=main "
	                                "names=second.example,*.wild.example expires=20") != NULL,
	          "%s", text_of(file));
	cr_expect_str_eq(who("second.example"), "second");
	cr_expect_str_eq(who("a.wild.example"), "second");
	cr_expect_str_eq(who("unknown.example"), "second");
	cr_expect_str_eq(who(NULL), "second");
	cr_expect_float_eq(days_left(), 30, 0.1);
}

Test(certs_provide, before_any_configuration)
{
	provide_made("p", "main", &second);
	cr_expect_str_eq(who(NULL), "second");
	config_add(&conf, "first", &first);
	load_and_use();
	cr_expect_str_eq(who(NULL), "second");
	cr_expect_str_eq(who("first.example"), "first");
}

Test(certs_provide, they_come_before_the_files_and_fallbacks_after)
{
	struct made twin = make_cert(&(struct wanted){.cn = "twin", .names = "DNS:first.example"});

	config_add(&conf, "first", &first);
	load_and_use();
	provide_fallback("late", &second);
	cr_expect_str_eq(who(NULL), "first");
	cr_expect_str_eq(who("second.example"), "second", "it is better than another's");
	provide_made("p", "one", &third);
	cr_expect_str_eq(who(NULL), "third");
	cr_expect_str_eq(who("first.example"), "first");
	provide_made("q", "two", &twin);
	cr_expect_str_eq(who("first.example"), "twin");
	cr_expect_str_eq(who(NULL), "third", "it was provided first");
	free_cert(&twin);
}

Test(certs_provide, one_that_is_replaced_keeps_its_place)
{
	load_and_use();
	provide_made("p", "one", &first);
	provide_made("p", "two", &second);
	provide_made("q", "one", &third);
	empty_log();
	provide_made("p", "one", &third);
	cr_expect_str_eq(who(NULL), "third");
	cr_expect_str_eq(who("first.example"), "third", "the first is gone");
	cr_expect(strstr(line_of(file), "tls: certificate replaced plugin=p name=one "
	                                "names=third.example expires=20") != NULL,
	          "%s", text_of(file));
}

Test(certs_provide, a_fallback_alone_is_served)
{
	load_and_use();
	provide_fallback("late", &first);
	cr_expect_str_eq(who("any.example"), "first");
	cr_expect(strstr(line_of(file), " fallback=yes") != NULL);
	cr_expect(certstore_serves(store));
}

Test(certs_provide, a_server_name_is_the_only_one)
{
	struct nbs_cert cert = cert_of("one", &second);

	load_and_use();
	cert.server_name = "Only.Example.";
	provide("p", &cert);
	cr_expect_str_eq(who("only.example"), "second");
	cr_expect_str_eq(who("ONLY.example"), "second");
	cr_expect_str_eq(who("second.example"), "", "a name of the certificate's");
	cr_expect_str_eq(who(NULL), "", "there is no default");
	provide_made("p", "two", &third);
	cr_expect_str_eq(who("only.example"), "second");
	cr_expect_str_eq(who("second.example"), "third");
	cr_expect_str_eq(who(NULL), "third", "although it came later");
}

static int alert_of(SSL_CTX *ctx, const char *name)
{
	struct certs *certs = certstore_get(store);
	struct talk t = talk(ctx, certs, name, NULL);
	unsigned long e = ERR_peek_error();
	int alert = -1;

	/* The server's fault comes first, then what the client was told. */
	while ((e = ERR_get_error()) != 0)
		if (ERR_GET_REASON(e) >= SSL_AD_REASON_OFFSET)
			alert = ERR_GET_REASON(e) - SSL_AD_REASON_OFFSET;
	cr_expect_neq(t.server_done, 1);
	hang_up(&t);
	certs_unref(certs);
	return alert;
}

Test(certs_provide, a_name_without_a_certificate_is_told_so)
{
	const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct nbs_cert cert = cert_of("one", &second);

	load_and_use();
	cert.server_name = "only.example";
	provide("p", &cert);
	for (size_t i = 0; i < 2; i++) {
		SSL_CTX *ctx = client_ctx(versions[i]);

		cr_expect_eq(alert_of(ctx, "other.example"), SSL_AD_UNRECOGNIZED_NAME);
		cr_expect_eq(alert_of(ctx, NULL), SSL_AD_UNRECOGNIZED_NAME);
		SSL_CTX_free(ctx);
	}
}

/* --- withdrawing ---------------------------------------------------------------------------- */

Test(certs_provide, withdrawing)
{
	config_add(&conf, "first", &first);
	load_and_use();
	provide_made("p", "one", &second);
	cr_expect_eq(certstore_withdraw(store, "q", "one"), -ENOENT);
	cr_expect_eq(certstore_withdraw(store, "p", "two"), -ENOENT);
	cr_expect_eq(certstore_withdraw(store, "p", NULL), -ENOENT);
	cr_expect_str_eq(who(NULL), "second");
	empty_log();
	cr_expect_eq(certstore_withdraw(store, "p", "one"), 0);
	cr_expect_str_eq(who(NULL), "first");
	cr_expect_str_eq(who("second.example"), "first");
	cr_expect(strstr(line_of(file), "tls: certificate withdrawn plugin=p name=one names=") !=
	              NULL,
	          "%s", text_of(file));
	cr_expect_eq(certstore_withdraw(store, "p", "one"), -ENOENT);
}

Test(certs_provide, withdrawing_the_last_turns_tls_off)
{
	load_and_use();
	provide_made("p", "one", &second);
	cr_expect_eq(certstore_withdraw(store, "p", "one"), 0);
	cr_expect_str_eq(who(NULL), "no TLS");
	cr_expect_not(certstore_serves(store));
	cr_expect(strstr(text_of(file), "no certificate any more, TLS is off") != NULL);
	cr_expect_eq(days_left(), 0);
}

Test(certs_provide, an_owner_that_goes_takes_its_own)
{
	load_and_use();
	provide_made("p", "one", &first);
	provide_made("q", "one", &second);
	provide_made("p", "two", &third);
	certstore_withdraw_all(store, "p");
	certstore_withdraw_all(store, "nobody");
	cr_expect_str_eq(who(NULL), "second");
	cr_expect_str_eq(who("first.example"), "second");
	certstore_withdraw_all(store, "q");
	cr_expect_str_eq(who(NULL), "no TLS");
}

/* --- what is refused ------------------------------------------------------------------------ */

static void expect_refused(const struct nbs_cert *cert, const char *what)
{
	struct certs *before = certstore_get(store), *after;

	empty_log();
	cr_expect_eq(certstore_provide(store, "p", cert), -EINVAL, "%s", what);
	after = certstore_get(store);
	cr_expect_eq(after, before, "nothing changes");
	cr_expect(strstr(text_of(file), "ERROR tls: plugin p: ") != NULL &&
	              strstr(text_of(file), what) != NULL,
	          "expected \"%s\": %s", what, text_of(file));
	cr_expect_null(strstr(text_of(file), "BEGIN"));
	certs_unref(before);
	certs_unref(after);
}

static struct nbs_cert with_key(const struct nbs_cert *cert, const char *key, size_t len)
{
	struct nbs_cert other = *cert;

	other.key = key;
	other.key_len = len;
	return other;
}

static struct nbs_cert with_chain(const struct nbs_cert *cert, const char *chain, size_t len)
{
	struct nbs_cert other = *cert;

	other.chain = chain;
	other.chain_len = len;
	return other;
}

Test(certs_provide, bad_pem_is_refused)
{
	static const char half[] = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
	struct made weak = make_cert(&(struct wanted){.cn = "weak", .rsa_bits = 1024});
	struct nbs_cert good = cert_of("one", &first), bad;
	char *big = calloc(1, CERTS_FILE_MAX + 1), *text;
	size_t len;

	load_and_use();
	provide("p", &good);
	bad = with_chain(&good, "hello", 5);
	expect_refused(&bad, "certificate one: no certificate in PEM form");
	bad = with_chain(&good, half, strlen(half));
	expect_refused(&bad, "certificate one: a certificate does not parse: ");
	bad = with_chain(&good, good.chain, good.chain_len / 2);
	expect_refused(&bad, "certificate one: ");
	bad = with_key(&good, "hello", 5);
	expect_refused(&bad, "key of one: no private key in PEM form");
	bad = with_key(&good, good.key, good.key_len / 2);
	expect_refused(&bad, "key of one: no private key in PEM form");
	text = key_text(&second, NULL, &len);
	bad = with_key(&good, text, len);
	expect_refused(&bad, "key of one: the key does not fit the certificate");
	text = key_text(&first, "1234", &len);
	bad = with_key(&good, text, len);
	expect_refused(&bad, "key of one: the key is encrypted");
	bad = with_chain(&good, big, CERTS_FILE_MAX + 1);
	expect_refused(&bad, "its chain is not of 1 to 1048576 bytes");
	bad = with_key(&good, big, CERTS_FILE_MAX + 1);
	expect_refused(&bad, "its key is not of 1 to 1048576 bytes");
	bad = cert_of("one", &weak);
	expect_refused(&bad, "certificate one: OpenSSL does not use this certificate: ");
	cr_expect_str_eq(who(NULL), "first");
	free(big);
	free_cert(&weak);
}

Test(certs_provide, bad_fields_are_refused)
{
	const struct nbs_cert good = cert_of("one", &first);
	char long_name[400];
	struct nbs_cert bad;

	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	load_and_use();
#define WITH(field, value, what)            \
	do {                                \
		bad = good;                 \
		bad.field = value;          \
		expect_refused(&bad, what); \
	} while (0)
	WITH(name, NULL, "its name ");
	WITH(name, "", "its name ");
	WITH(name, "two words", "its name ");
	WITH(name, "new\nline", "its name ");
	WITH(name, long_name, "its name ");
	WITH(chain, NULL, "its chain ");
	WITH(chain_len, 0, "its chain ");
	WITH(key, NULL, "its key ");
	WITH(key_len, 0, "its key ");
	WITH(server_name, "", "its server_name ");
	WITH(server_name, ".", "its server_name ");
	WITH(server_name, "*.example", "its server_name ");
	WITH(server_name, "a b", "its server_name ");
	WITH(server_name, long_name, "its server_name ");
	WITH(alpn, "", "its alpn ");
	WITH(alpn, long_name, "its alpn ");
	WITH(alpn, "h2", "its alpn ");
	WITH(alpn, "http/1.1", "its alpn ");
	WITH(flags, 1u << 7, "a flag ");
	WITH(size, sizeof(bad) - 8, "contract");
#undef WITH
	cr_expect_str_eq(who(NULL), "no TLS");
}

Test(certs_provide, a_plugin_that_never_withdraws_comes_to_an_end)
{
	struct nbs_cert cert = cert_of("", &first);
	char name[16];
	int r = 0, n;

	load_and_use();
	log_set_level(NBS_ERROR);
	cert.name = name;
	for (n = 0; r == 0 && n < 5000; n++) {
		snprintf(name, sizeof(name), "n%d", n);
		r = certstore_provide(store, "p", &cert);
	}
	cr_expect_eq(r, -EINVAL);
	cr_expect_eq(n, 1001);
	cr_expect(strstr(text_of(file), "there are 1000 already") != NULL, "%s", text_of(file));
	snprintf(name, sizeof(name), "n5");
	cr_expect_eq(certstore_provide(store, "p", &cert), 0, "one that is there is replaced");
}

/* --- beside the files ----------------------------------------------------------------------- */

Test(certs_provide, no_file_is_read_again)
{
	config_add(&conf, "first", &first);
	load_and_use();
	cr_assert_eq(unlink(conf.pairs[0].cert_file), 0);
	cr_assert_eq(unlink(conf.pairs[0].cert_key), 0);
	empty_log();
	provide_made("p", "one", &second);
	cr_expect_str_eq(who("first.example"), "first");
	cr_expect_str_eq(who(NULL), "second");
	cr_expect_null(strstr(text_of(file), "ERROR"));
}

Test(certs_provide, a_reload_keeps_them)
{
	config_add(&conf, "first", &first);
	load_and_use();
	provide_made("p", "one", &second);
	put_cert(conf.pairs[0].cert_file, &third, NULL);
	put_key(conf.pairs[0].cert_key, &third, NULL);
	empty_log();
	load_and_use();
	cr_expect(strstr(line_of(file), "certificates reloaded pairs=1 names=third.example") !=
	              NULL,
	          "%s", text_of(file));
	cr_expect_str_eq(who(NULL), "second");
	cr_expect_str_eq(who("third.example"), "third");
	cr_expect_str_eq(who("first.example"), "second");
	conf.cfg.n_pairs = 0;
	empty_log();
	load_and_use();
	cr_expect_str_eq(strstr(line_of(file), "tls: "),
	                 "tls: no certificates in the configuration any more");
	cr_expect_str_eq(who("third.example"), "second");
}

Test(certs_provide, a_changed_file_keeps_them)
{
	uint64_t now = 1000;

	config_add(&conf, "first", &first);
	load_and_use();
	provide_made("p", "one", &second);
	put_cert(conf.pairs[0].cert_file, &third, NULL);
	put_key(conf.pairs[0].cert_key, &third, NULL);
	for (int i = 0; i < 3; i++)
		certstore_tick(store, now += INTERVAL);
	cr_expect_str_eq(who("third.example"), "third");
	cr_expect_str_eq(who(NULL), "second");
	put_file(conf.pairs[0].cert_key, "garbage", 7);
	for (int i = 0; i < 3; i++)
		certstore_tick(store, now += INTERVAL);
	cr_expect_str_eq(who("third.example"), "third");
	provide_made("p", "one", &first);
	cr_expect_str_eq(who(NULL), "first");
	cr_expect_str_eq(who("third.example"), "third", "the bad file changes nothing");
}

Test(certs_provide, what_changes_between_load_and_use_counts)
{
	struct certs *certs;

	config_add(&conf, "first", &first);
	load_and_use();
	provide_made("p", "one", &second);
	provide_made("p", "two", &third);
	cr_assert_eq(certstore_load(store, &conf.cfg, &certs), 0);
	cr_assert_eq(certstore_withdraw(store, "p", "one"), 0);
	certstore_use(store, &conf.cfg, certs);
	cr_expect_str_eq(who(NULL), "third");
	cr_assert_eq(certstore_load(store, &conf.cfg, &certs), 0);
	provide_made("p", "one", &second);
	certstore_use(store, &conf.cfg, certs);
	cr_expect_str_eq(who("second.example"), "second");
}

Test(certs_provide, a_generation_in_use_outlives_them)
{
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
	struct certs *old;
	struct talk t;

	load_and_use();
	provide_made("p", "one", &first);
	old = certstore_get(store);
	certstore_withdraw_all(store, "p");
	t = talk(ctx, old, NULL, NULL);
	cr_expect_str_eq(shown_to(t.client), "first");
	hang_up(&t);
	certs_unref(old);
	SSL_CTX_free(ctx);
}

Test(certs_provide, the_settings_of_the_configuration_apply)
{
	struct made ca = make_cert(&(struct wanted){.cn = "authority"});
	struct made good = make_cert(&(struct wanted){.cn = "good", .by = &ca});
	SSL_CTX *old = client_ctx(TLS1_2_VERSION), *ctx = client_ctx(TLS1_3_VERSION);

	provide_made("p", "one", &second);
	cr_expect_str_eq(who_says(old, NULL), "second");
	conf.cfg.tls_min_version = TLS1_3_VERSION;
	conf.cfg.client_ca = path_of("ca.crt");
	put_cert(conf.cfg.client_ca, &ca, NULL);
	load_and_use();
	provide_made("p", "one", &third);
	cr_expect_str_eq(who_says(ctx, NULL), "", "without a certificate");
	SSL_CTX_use_certificate(ctx, good.cert);
	SSL_CTX_use_PrivateKey(ctx, good.key);
	SSL_CTX_use_certificate(old, good.cert);
	SSL_CTX_use_PrivateKey(old, good.key);
	cr_expect_str_eq(who_says(ctx, NULL), "third");
	cr_expect_str_eq(who_says(old, NULL), "", "TLS 1.2");
	SSL_CTX_free(old);
	SSL_CTX_free(ctx);
	free_cert(&ca);
	free_cert(&good);
}

Test(certs_provide, expiry)
{
	struct made soon = make_cert(&(struct wanted){.cn = "soon", .until = 5 * DAY});
	struct made temporary = make_cert(&(struct wanted){.cn = "temporary", .until = DAY});
	struct nbs_cert challenge = cert_of("challenge", &temporary);

	config_add(&conf, "first", &first);
	provide_fallback("late", &temporary);
	cr_expect_float_eq(days_left(), 1, 0.1, "it is all there is");
	load_and_use();
	cr_expect_float_eq(days_left(), 30, 0.1);
	provide_made("p", "one", &soon);
	cr_expect_float_eq(days_left(), 5, 0.1);
	challenge.alpn = "acme-tls/1";
	provide("p", &challenge);
	cr_expect_float_eq(days_left(), 5, 0.1);
	certstore_withdraw_all(store, "p");
	cr_expect_float_eq(days_left(), 30, 0.1);
	free_cert(&soon);
	free_cert(&temporary);
}

/* An expired one is a plugin's mistake, and better than none. */
Test(certs_provide, an_expired_one_is_taken_with_a_warning)
{
	struct made old = make_cert(&(struct wanted){.cn = "old", .from = -9 * DAY, .until = -DAY});

	load_and_use();
	provide_made("p", "one", &old);
	cr_expect(strstr(text_of(file), "WARN  tls: plugin p: certificate one: the certificate has "
	                                "expired") != NULL,
	          "%s", text_of(file));
	free_cert(&old);
}
