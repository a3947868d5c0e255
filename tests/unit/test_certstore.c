/* Certificates: what loads, what is refused and how that is said, who gets which, and the watch
 * over the files.  Handshakes run in memory. */
#include "certs.h"
#include "metrics.h"
#include "tls_case.h"
#include "tls_talk_case.h"

#include <sys/stat.h>

static struct metrics *metrics;
static struct certstore *store;
static struct tls_config conf;
static struct made first, second;

static void set_up(void)
{
	make_dir();
	open_log();
	cr_assert_eq(metrics_open(&metrics), 0);
	cr_assert_eq(certstore_open(&store, metrics), 0);
	config_begin(&conf);
	first = make_cert(&(struct wanted){.cn = "first", .names = "DNS:first.example"});
	second = make_cert(&(struct wanted){
	    .cn = "second", .names = "DNS:Second.Example,DNS:*.wild.example,IP:127.0.0.1"});
}

static void tear_down(void)
{
	free_cert(&first);
	free_cert(&second);
	certstore_close(store);
	metrics_close(metrics);
	remove_dir();
}

TestSuite(certstore, .init = set_up, .fini = tear_down, .timeout = 60);

static struct certs *load(void)
{
	struct certs *certs;

	cr_assert_eq(certstore_load(store, &conf.cfg, &certs), 0, "%s", text_of(file));
	cr_assert_not_null(certs);
	return certs;
}

static void load_and_use(void)
{
	certstore_use(store, &conf.cfg, load());
}

/* Who answers to a name: the common name. */
static const char *who(const char *name)
{
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
	struct certs *certs = certstore_get(store);
	struct talk t = talk(ctx, certs, name, NULL);
	const char *cn = t.client_done == 1 && t.server_done == 1 ? shown_to(t.client) : "";

	hang_up(&t);
	certs_unref(certs);
	SSL_CTX_free(ctx);
	return cn;
}

Test(certstore, a_configuration_without_pairs_has_no_certificates)
{
	cr_assert_null(certstore_get(store));
	load_and_use();
	cr_assert_null(certstore_get(store));
	cr_expect_not(certstore_serves(store));
	cr_expect_str_eq(text_of(file), "");
}

Test(certstore, a_name_chooses_the_pair)
{
	config_add(&conf, "first", &first);
	config_add(&conf, "second", &second);
	load_and_use();
	cr_expect_str_eq(who("first.example"), "first");
	cr_expect_str_eq(who("second.example"), "second");
	cr_expect_str_eq(who("SECOND.EXAMPLE."), "second");
	cr_expect_str_eq(who("a.wild.example"), "second");
	cr_expect_str_eq(who("A.WILD.example"), "second");
	cr_expect_str_eq(who("wild.example"), "first");
	cr_expect_str_eq(who("a.b.wild.example"), "first");
	cr_expect_str_eq(who("xwild.example"), "first");
	cr_expect_str_eq(who("unknown.example"), "first", "the default");
	cr_expect_str_eq(who(NULL), "first", "the default");
}

Test(certstore, the_first_pair_of_a_name_wins)
{
	struct made third = make_cert(
	    &(struct wanted){.cn = "third", .names = "DNS:second.example,DNS:a.wild.example"});

	config_add(&conf, "first", &first);
	config_add(&conf, "second", &second);
	config_add(&conf, "third", &third);
	load_and_use();
	cr_expect_str_eq(who("second.example"), "second");
	cr_expect_str_eq(who("a.wild.example"), "second", "although third has it without a star");
	free_cert(&third);
}

Test(certstore, the_common_name_counts_only_without_names)
{
	struct made cn = make_cert(&(struct wanted){.cn = "plain.example"});
	struct made both =
	    make_cert(&(struct wanted){.cn = "hidden.example", .names = "DNS:other.example"});

	config_add(&conf, "first", &first);
	config_add(&conf, "cn", &cn);
	config_add(&conf, "both", &both);
	load_and_use();
	cr_expect_str_eq(who("plain.example"), "plain.example");
	cr_expect_str_eq(who("other.example"), "hidden.example");
	cr_expect_str_eq(who("hidden.example"), "first");
	free_cert(&cn);
	free_cert(&both);
}

Test(certstore, the_chain_is_sent)
{
	struct made ca = make_cert(&(struct wanted){.cn = "authority"});
	struct made leaf =
	    make_cert(&(struct wanted){.cn = "leaf", .names = "DNS:leaf.example", .by = &ca});
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
	struct certs *certs;
	struct talk t;

	config_add(&conf, "leaf", &leaf);
	put_cert(conf.pairs[0].cert_file, &leaf, &ca);
	certs = load();
	t = talk(ctx, certs, "leaf.example", NULL);
	cr_expect_eq(sk_X509_num(SSL_get_peer_cert_chain(t.client)), 2);
	hang_up(&t);
	certs_unref(certs);
	SSL_CTX_free(ctx);
	free_cert(&leaf);
	free_cert(&ca);
}

/* --- what is refused ---------------------------------------------------------------------------
 */

static void expect_refused(int err, const char *what)
{
	struct certs *certs = (struct certs *)&conf;

	empty_log();
	cr_expect_eq(certstore_load(store, &conf.cfg, &certs), err);
	cr_expect_null(certs);
	cr_expect(strstr(text_of(file), what) != NULL, "expected \"%s\": %s", what, text_of(file));
}

Test(certstore, a_missing_file_is_named)
{
	char words[160];

	config_add(&conf, "first", &first);
	cr_assert_eq(unlink(conf.pairs[0].cert_key), 0);
	snprintf(words, sizeof(words), "ERROR tls: %s: No such file or directory",
	         conf.pairs[0].cert_key);
	expect_refused(-ENOENT, words);
	cr_assert_eq(unlink(conf.pairs[0].cert_file), 0);
	snprintf(words, sizeof(words), "ERROR tls: %s: No such file or directory",
	         conf.pairs[0].cert_file);
	expect_refused(-ENOENT, words);
}

Test(certstore, garbage_is_refused)
{
	static const char half[] = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

	config_add(&conf, "first", &first);
	put_file(conf.pairs[0].cert_file, "hello\n", 6);
	expect_refused(-EINVAL, "first.crt: no certificate in PEM form");
	put_file(conf.pairs[0].cert_file, "", 0);
	expect_refused(-EINVAL, "first.crt: no certificate in PEM form");
	put_file(conf.pairs[0].cert_file, half, strlen(half));
	expect_refused(-EINVAL, "first.crt: a certificate does not parse: ");
	put_cert(conf.pairs[0].cert_file, &first, NULL);
	put_file(conf.pairs[0].cert_key, "hello\n", 6);
	expect_refused(-EINVAL, "first.key: no private key in PEM form");
	put_cert(conf.pairs[0].cert_key, &first, NULL);
	expect_refused(-EINVAL, "first.key: no private key in PEM form");
}

Test(certstore, a_broken_certificate_behind_a_good_one_is_refused)
{
	static const char half[] = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
	BIO *bio = BIO_new(BIO_s_mem());

	config_add(&conf, "first", &first);
	PEM_write_bio_X509(bio, first.cert);
	BIO_puts(bio, half);
	put_bio(conf.pairs[0].cert_file, bio);
	expect_refused(-EINVAL, "first.crt: a certificate does not parse: ");
}

Test(certstore, a_key_that_does_not_fit_is_refused)
{
	config_add(&conf, "first", &first);
	put_key(conf.pairs[0].cert_key, &second, NULL);
	expect_refused(-EINVAL, "first.key: the key does not fit the certificate in ");
}

Test(certstore, an_encrypted_key_is_refused_without_a_prompt)
{
	config_add(&conf, "first", &first);
	put_key(conf.pairs[0].cert_key, &first, "1234");
	expect_refused(-EINVAL, "first.key: the key is encrypted");
}

Test(certstore, what_is_no_small_file_is_refused)
{
	char *big = calloc(1, CERTS_FILE_MAX + 1);

	config_add(&conf, "first", &first);
	put_file(conf.pairs[0].cert_file, big, CERTS_FILE_MAX + 1);
	expect_refused(-EFBIG, "first.crt: larger than 1048576 bytes");
	cr_assert_eq(unlink(conf.pairs[0].cert_file), 0);
	cr_assert_eq(mkdir(conf.pairs[0].cert_file, 0755), 0);
	expect_refused(-EINVAL, "first.crt: not a regular file");
	cr_assert_eq(rmdir(conf.pairs[0].cert_file), 0);
	cr_assert_eq(mkfifo(conf.pairs[0].cert_file, 0644), 0);
	expect_refused(-EINVAL, "first.crt: not a regular file");
	free(big);
}

Test(certstore, a_key_that_openssl_finds_too_short_is_refused)
{
	struct made weak = make_cert(&(struct wanted){.cn = "weak", .rsa_bits = 1024});

	config_add(&conf, "weak", &weak);
	expect_refused(-EINVAL,
	               "weak.crt: OpenSSL does not use this certificate: ee key too small");
	free_cert(&weak);
}

Test(certstore, a_bad_second_pair_refuses_all)
{
	config_add(&conf, "first", &first);
	config_add(&conf, "second", &second);
	put_key(conf.pairs[1].cert_key, &first, NULL);
	expect_refused(-EINVAL, "second.key: the key does not fit");
}

Test(certstore, an_expired_certificate_loads_with_a_warning)
{
	struct made old = make_cert(&(struct wanted){.cn = "old", .from = -9 * DAY, .until = -DAY});
	struct made early = make_cert(&(struct wanted){.cn = "early", .from = DAY});

	config_add(&conf, "old", &old);
	config_add(&conf, "early", &early);
	empty_log();
	certs_unref(load());
	cr_expect(strstr(text_of(file), "WARN  tls: ") != NULL, "%s", text_of(file));
	cr_expect(strstr(text_of(file), "old.crt: the certificate has expired") != NULL);
	cr_expect(strstr(text_of(file), "early.crt: the certificate is not valid yet") != NULL);
	free_cert(&old);
	free_cert(&early);
}

Test(certstore, rsa_keys_and_keys_behind_their_curve_load)
{
	struct made rsa = make_cert(&(struct wanted){.cn = "rsa", .rsa_bits = 2048});
	EC_KEY *old_form;
	BIO *bio;

	config_add(&conf, "rsa", &rsa);
	load_and_use();
	cr_expect_str_eq(who(NULL), "rsa");
	/* "EC PARAMETERS" first, as `openssl ecparam -genkey` writes it. */
	config_begin(&conf);
	config_add(&conf, "first", &first);
	bio = BIO_new(BIO_s_mem());
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* only the old form has them */
	old_form = EVP_PKEY_get1_EC_KEY(first.key);
	PEM_write_bio_ECPKParameters(bio, EC_KEY_get0_group(old_form));
	PEM_write_bio_ECPrivateKey(bio, old_form, NULL, NULL, 0, NULL, NULL);
	EC_KEY_free(old_form);
#pragma GCC diagnostic pop
	put_bio(conf.pairs[0].cert_key, bio);
	load_and_use();
	cr_expect_str_eq(who(NULL), "first");
	free_cert(&rsa);
}

/* --- handshakes --------------------------------------------------------------------------------
 */

static bool works(SSL_CTX *ctx)
{
	struct certs *certs = certstore_get(store);
	struct talk t = talk(ctx, certs, "first.example", NULL);
	bool ok = t.client_done == 1 && t.server_done == 1;

	hang_up(&t);
	certs_unref(certs);
	return ok;
}

static bool version_works(int version)
{
	SSL_CTX *ctx = client_ctx(version);
	bool ok;

	SSL_CTX_set_security_level(ctx, 0);
	ok = works(ctx);
	SSL_CTX_free(ctx);
	return ok;
}

Test(certstore, min_version)
{
	config_add(&conf, "first", &first);
	load_and_use();
	cr_expect_not(version_works(TLS1_1_VERSION));
	cr_expect(version_works(TLS1_2_VERSION));
	cr_expect(version_works(TLS1_3_VERSION));
	conf.cfg.tls_min_version = TLS1_3_VERSION;
	load_and_use();
	cr_expect_not(version_works(TLS1_2_VERSION));
	cr_expect(version_works(TLS1_3_VERSION));
}

static const char *alpn_of(const char *protos)
{
	static char text[16];
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct certs *certs = certstore_get(store);
	const unsigned char *alpn;
	struct talk t;
	unsigned len;

	SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)protos, (unsigned)strlen(protos));
	t = talk(ctx, certs, NULL, NULL);
	cr_assert(t.client_done == 1 && t.server_done == 1);
	SSL_get0_alpn_selected(t.client, &alpn, &len);
	snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)alpn);
	hang_up(&t);
	certs_unref(certs);
	SSL_CTX_free(ctx);
	return text;
}

Test(certstore, alpn_prefers_h2_and_does_without)
{
	config_add(&conf, "first", &first);
	load_and_use();
	cr_expect_str_eq(alpn_of("\x02h2"), "h2");
	cr_expect_str_eq(alpn_of("\x08http/1.1\x02h2"), "h2");
	cr_expect_str_eq(alpn_of("\x08http/1.1"), "http/1.1");
	cr_expect_str_eq(alpn_of("\x03"
	                         "foo"),
	                 "");
	cr_expect_str_eq(alpn_of(""), "");
}

static bool works_as(const struct made *client, int version)
{
	SSL_CTX *ctx = client_ctx(version);
	bool ok;

	if (client != NULL) {
		SSL_CTX_use_certificate(ctx, client->cert);
		SSL_CTX_use_PrivateKey(ctx, client->key);
	}
	ok = works(ctx);
	SSL_CTX_free(ctx);
	return ok;
}

Test(certstore, client_ca_asks_every_client_for_a_certificate)
{
	struct made ca = make_cert(&(struct wanted){.cn = "authority"});
	struct made other_ca = make_cert(&(struct wanted){.cn = "authority"});
	struct made good = make_cert(&(struct wanted){.cn = "good", .by = &ca});
	struct made other = make_cert(&(struct wanted){.cn = "other", .by = &other_ca});
	struct made old =
	    make_cert(&(struct wanted){.cn = "old", .by = &ca, .from = -9 * DAY, .until = -DAY});
	const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	config_add(&conf, "first", &first);
	conf.cfg.client_ca = path_of("ca.crt");
	put_cert(conf.cfg.client_ca, &ca, NULL);
	load_and_use();
	for (size_t i = 0; i < 2; i++) {
		cr_expect(works_as(&good, versions[i]));
		cr_expect_not(works_as(NULL, versions[i]));
		cr_expect_not(works_as(&other, versions[i]));
		cr_expect_not(works_as(&old, versions[i]));
	}
	put_file(conf.cfg.client_ca, "hello", 5);
	expect_refused(-EINVAL, "ca.crt: no certificate in PEM form");
	free_cert(&ca);
	free_cert(&other_ca);
	free_cert(&good);
	free_cert(&other);
	free_cert(&old);
}

/* A session that the client could resume. */
static SSL_SESSION *session_of(SSL_CTX *ctx)
{
	struct certs *certs = certstore_get(store);
	struct talk t = talk(ctx, certs, "first.example", NULL);
	SSL_SESSION *session;
	char byte;

	cr_assert(t.client_done == 1 && t.server_done == 1);
	SSL_read(t.client, &byte, 1); /* the ticket */
	session = SSL_get1_session(t.client);
	cr_assert(SSL_SESSION_is_resumable(session));
	SSL_shutdown(t.client);
	hang_up(&t);
	certs_unref(certs);
	return session;
}

static bool resumes(SSL_CTX *ctx, SSL_SESSION *session)
{
	struct certs *certs = certstore_get(store);
	struct talk t = talk(ctx, certs, "first.example", session);
	bool ok = SSL_session_reused(t.server) == 1;

	cr_assert(t.client_done == 1 && t.server_done == 1);
	hang_up(&t);
	certs_unref(certs);
	return ok;
}

Test(certstore, tickets_outlive_a_reload)
{
	const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	config_add(&conf, "first", &first);
	for (size_t i = 0; i < 2; i++) {
		SSL_CTX *ctx = client_ctx(versions[i]);
		SSL_SESSION *session;

		load_and_use();
		session = session_of(ctx);
		load_and_use();
		cr_expect(resumes(ctx, session));
		SSL_SESSION_free(session);
		SSL_CTX_free(ctx);
	}
}

Test(certstore, tickets_do_not_outlive_their_authority)
{
	struct made ca = make_cert(&(struct wanted){.cn = "authority"});
	struct made other_ca = make_cert(&(struct wanted){.cn = "other"});
	struct made good = make_cert(&(struct wanted){.cn = "good", .by = &ca});
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
	struct certs *certs;
	SSL_SESSION *session;
	struct talk t;

	SSL_CTX_use_certificate(ctx, good.cert);
	SSL_CTX_use_PrivateKey(ctx, good.key);
	config_add(&conf, "first", &first);
	conf.cfg.client_ca = path_of("ca.crt");
	put_cert(conf.cfg.client_ca, &ca, NULL);
	load_and_use();
	session = session_of(ctx);
	cr_expect(resumes(ctx, session));
	SSL_SESSION_free(session);
	session = session_of(ctx);
	put_cert(conf.cfg.client_ca, &other_ca, NULL);
	load_and_use();
	certs = certstore_get(store);
	t = talk(ctx, certs, "first.example", session);
	cr_expect(t.server_done != 1, "the certificate is looked at again");
	hang_up(&t);
	certs_unref(certs);
	SSL_SESSION_free(session);
	SSL_CTX_free(ctx);
	free_cert(&ca);
	free_cert(&other_ca);
	free_cert(&good);
}

Test(certstore, a_generation_in_use_outlives_its_successor)
{
	SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
	struct certs *old;
	struct talk t;

	config_add(&conf, "first", &first);
	load_and_use();
	old = certstore_get(store);
	put_cert(conf.pairs[0].cert_file, &second, NULL);
	put_key(conf.pairs[0].cert_key, &second, NULL);
	load_and_use();
	t = talk(ctx, old, NULL, NULL);
	cr_expect_str_eq(shown_to(t.client), "first");
	cr_expect_str_eq(who(NULL), "second");
	hang_up(&t);
	certs_unref(old);
	SSL_CTX_free(ctx);
}

/* --- the watch ---------------------------------------------------------------------------------
 */

#define INTERVAL 2000

static double value_of(const char *name, const char *labels);

static const char *sought_name, *sought_labels;
static double found_value;

static void visit(void *arg, const struct nbs_metric_desc *d, const double *values, size_t n)
{
	(void)arg;
	(void)n;
	if (strcmp(d->name, sought_name) == 0 &&
	    strcmp(d->labels != NULL ? d->labels : "", sought_labels) == 0)
		found_value = values[0];
}

static double value_of(const char *name, const char *labels)
{
	sought_name = name;
	sought_labels = labels;
	found_value = -1;
	metrics_each(metrics, visit, NULL);
	return found_value;
}

static void swap_files(const struct made *m)
{
	put_cert(conf.pairs[0].cert_file, m, NULL);
	put_key(conf.pairs[0].cert_key, m, NULL);
}

Test(certstore, changed_files_are_loaded_when_they_have_settled)
{
	uint64_t now = 1000;

	config_add(&conf, "first", &first);
	load_and_use();
	empty_log();
	certstore_tick(store, now);
	certstore_tick(store, now += INTERVAL);
	cr_expect_str_eq(text_of(file), "");
	swap_files(&second);
	certstore_tick(store, now + INTERVAL - 1);
	certstore_tick(store, now += INTERVAL);
	cr_expect_str_eq(who(NULL), "first", "one look is not enough");
	put_cert(conf.pairs[0].cert_file, &second, NULL);
	certstore_tick(store, now += INTERVAL);
	cr_expect_str_eq(who(NULL), "first", "it changed once more");
	certstore_tick(store, now += INTERVAL);
	cr_expect_str_eq(who(NULL), "second");
	cr_expect(strstr(line_of(file), "INFO  tls: certificates reloaded pairs=1 "
	                                "names=second.example,*.wild.example expires=20") != NULL,
	          "%s", text_of(file));
	cr_expect_eq(value_of("tls_certificate_reloads_total", "result=\"ok\""), 1);
	certstore_tick(store, now += INTERVAL);
	certstore_tick(store, now += INTERVAL);
	cr_expect_eq(value_of("tls_certificate_reloads_total", "result=\"ok\""), 1);
}

/* Changes nothing but the mode.  A file system's clock is coarse: again until it has moved on. */
static void change_mode(const char *path, mode_t mode)
{
	const time_t until = time(NULL) + 20;
	struct stat before, after;

	cr_assert_eq(stat(path, &before), 0);
	do {
		cr_assert(time(NULL) < until, "the time of %s stands still", path);
		cr_assert(chmod(path, mode) == 0 && stat(path, &after) == 0);
	} while (after.st_ctim.tv_sec == before.st_ctim.tv_sec &&
	         after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
	cr_assert(after.st_ino == before.st_ino && after.st_size == before.st_size &&
	          after.st_mtim.tv_sec == before.st_mtim.tv_sec &&
	          after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
}

Test(certstore, a_change_of_mode_alone_is_another_stamp)
{
	struct certs_stamp before, again, after;

	config_add(&conf, "first", &first);
	certs_file_stamp(conf.pairs[0].cert_key, &before);
	certs_file_stamp(conf.pairs[0].cert_key, &again);
	cr_expect(certs_file_same(&before, &again));
	change_mode(conf.pairs[0].cert_key, 0600);
	certs_file_stamp(conf.pairs[0].cert_key, &after);
	cr_expect_not(certs_file_same(&before, &after));
}

/* Looks three times, as a user from whom a mode of 0 keeps a file: root gives up what it is. */
static uint64_t look_without_privilege(uint64_t now)
{
	const uid_t user = geteuid();

	cr_assert(user != 0 || seteuid(65534) == 0);
	for (int i = 0; i < 3; i++)
		certstore_tick(store, now += INTERVAL);
	cr_assert_eq(seteuid(user), 0);
	return now;
}

static unsigned count(const char *text, const char *word)
{
	unsigned n = 0;

	for (; (text = strstr(text, word)) != NULL; text++)
		n++;
	return n;
}

Test(certstore, a_failed_load_is_said_once_and_the_old_serves_on)
{
	uint64_t now = 1000;

	config_add(&conf, "first", &first);
	load_and_use();
	empty_log();
	put_key(conf.pairs[0].cert_key, &second, NULL);
	for (int i = 0; i < 6; i++)
		certstore_tick(store, now += INTERVAL);
	cr_expect_eq(count(text_of(file), "does not fit"), 1, "%s", text_of(file));
	cr_expect_eq(count(text_of(file), "the certificates in use serve on"), 1);
	cr_expect_eq(value_of("tls_certificate_reloads_total", "result=\"error\""), 1);
	cr_expect_str_eq(who(NULL), "first");
	cr_assert_eq(unlink(conf.pairs[0].cert_key), 0);
	for (int i = 0; i < 6; i++)
		certstore_tick(store, now += INTERVAL);
	cr_expect_eq(count(text_of(file), "No such file"), 1, "%s", text_of(file));
	swap_files(&second);
	for (int i = 0; i < 3; i++)
		certstore_tick(store, now += INTERVAL);
	cr_expect_str_eq(who(NULL), "second");
}

Test(certstore, a_pair_that_could_not_be_read_is_tried_again_after_chmod)
{
	uint64_t now = 1000;

	config_add(&conf, "first", &first);
	load_and_use();
	empty_log();
	cr_assert_eq(chmod(dir, 0711), 0);
	swap_files(&second);
	change_mode(conf.pairs[0].cert_key, 0);
	now = look_without_privilege(now);
	cr_expect_eq(count(text_of(file), "first.key: Permission denied"), 1, "%s", text_of(file));
	now = look_without_privilege(now);
	cr_expect_eq(count(text_of(file), "Permission denied"), 1, "%s", text_of(file));
	cr_expect_str_eq(who(NULL), "first");
	change_mode(conf.pairs[0].cert_key, 0644);
	look_without_privilege(now);
	cr_expect_str_eq(who(NULL), "second");
	cr_expect_eq(value_of("tls_certificate_reloads_total", "result=\"ok\""), 1);
	cr_expect_eq(value_of("tls_certificate_reloads_total", "result=\"error\""), 1);
}

Test(certstore, the_expiry_of_the_first_is_shown)
{
	struct made soon = make_cert(&(struct wanted){.cn = "soon", .until = 5 * DAY});
	double left;

	cr_expect_eq(value_of("tls_certificate_expiry_timestamp_seconds", ""), 0);
	config_add(&conf, "first", &first);
	config_add(&conf, "soon", &soon);
	load_and_use();
	left = value_of("tls_certificate_expiry_timestamp_seconds", "") - (double)time(NULL);
	cr_expect(left > 4 * DAY && left <= 5 * DAY, "%f", left);
	conf.cfg.n_pairs = 0;
	empty_log();
	load_and_use();
	cr_expect_eq(value_of("tls_certificate_expiry_timestamp_seconds", ""), 0);
	cr_expect(strstr(line_of(file), "no certificates in the configuration any more, TLS is "
	                                "off") != NULL,
	          "%s", text_of(file));
	free_cert(&soon);
}
