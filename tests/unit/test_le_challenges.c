/* Which challenge is chosen, what stands for the CA to see, and that nothing is left behind.  The
 * self-check has its own tests. */
#include "../../plugins/letsencrypt/certificate.h"
#include "../../plugins/letsencrypt/challenges_private.h"
#include "../../plugins/letsencrypt/identifiers.h"
#include "le_request_case.h"

#include <openssl/evp.h>

#include <pthread.h>
#include <stdatomic.h>

#define PATH "/.well-known/acme-challenge/"

/* --- the daemon's TLS ------------------------------------------------------------------------ */
static struct {
	char name[300], server_name[300], alpn[32];
	unsigned provided, withdrawn;
	int error;
	const struct acme_identifier *id; /* that the certificate has to be for */
} tls;

static int provide(void *arg, const struct nbs_cert *cert)
{
	struct certificate *c;
	const char *why;
	EVP_PKEY *key;
	char chain[8192];

	cr_assert(arg == &tls);
	if (tls.error < 0)
		return tls.error;
	snprintf(chain, sizeof(chain), "%.*s", (int)cert->chain_len, (const char *)cert->chain);
	key = keys_from_pem(cert->key, cert->key_len);
	cr_assert_eq(certificate_parse(&c, chain, key, &why), 0, "%s", why);
	cr_assert(identifiers_match(c->leaf, tls.id, 1));
	certificate_free(c);
	EVP_PKEY_free(key);
	snprintf(tls.name, sizeof(tls.name), "%s", cert->name);
	snprintf(tls.server_name, sizeof(tls.server_name), "%s", cert->server_name);
	snprintf(tls.alpn, sizeof(tls.alpn), "%s", cert->alpn);
	cr_assert_eq(cert->flags, 0);
	tls.provided++;
	return 0;
}

static int withdraw(void *arg, const char *name)
{
	cr_assert(arg == &tls);
	cr_assert_str_eq(name, tls.name);
	tls.withdrawn++;
	return 0;
}

/* --- set-up ---------------------------------------------------------------------------------- */
static const struct acme_identifier name = {ACME_DNS, "signal.example.org"};
static const struct acme_identifier address = {ACME_IP, "192.0.2.1"};
static struct challenges *challenges;
static struct challenges_settings settings;
static struct acme_solver solver;

static void set_up(void)
{
	const struct challenges_tls to = {.provide = provide, .withdraw = withdraw, .arg = &tls};

	case_make_dir();
	cr_assert_eq(challenges_open(&challenges, case_http_open(), &to), 0);
	solver = challenges_solver(challenges);
	settings =
	    (struct challenges_settings){.hook_timeout_s = 20, .http_port = 80, .tls_port = 443};
}

static void tear_down(void)
{
	challenges_close(challenges);
	case_remove_dir();
}

TestSuite(le_challenges, .init = set_up, .fini = tear_down, .timeout = 60);

static void order(size_t n, enum challenge_type a, enum challenge_type b, enum challenge_type c)
{
	const enum challenge_type all[] = {a, b, c};

	memcpy(settings.order, all, sizeof(all));
	settings.n_order = n;
	challenges_configure(challenges, &settings);
}

static struct acme_challenge offer(const char *type, struct acme_identifier id, const char *token)
{
	return (struct acme_challenge){
	    .type = type, .identifier = id, .token = token, .key_authorization = "token.print"};
}

/* What a CA offers for a name, in an order of its own. */
static const struct acme_challenge *offers(struct acme_identifier id)
{
	static struct acme_challenge all[4];

	all[0] = offer("dns-01", id, "t-dns");
	all[1] = offer("unheard-of-01", id, "t-new");
	all[2] = offer("tls-alpn-01", id, "t-tls");
	all[3] = offer("http-01", id, "t-http");
	tls.id = &all[0].identifier;
	return all;
}

static size_t begin(const struct acme_challenge *offered, size_t n)
{
	struct failure f = {.text = ""};
	size_t chosen = 99;

	cr_assert_eq(solver.begin(solver.arg, offered, n, &chosen, &f), 0, "%s", f.text);
	cr_assert_lt(chosen, n);
	return chosen;
}

static void begin_fails(const struct acme_challenge *offered, size_t n, int code,
                        enum failure_kind kind, const char *says)
{
	struct failure f = {.text = ""};
	size_t chosen = 99;

	cr_assert_eq(solver.begin(solver.arg, offered, n, &chosen, &f), code, "%s", f.text);
	cr_assert_eq(f.kind, kind, "%s", failure_label(f.kind));
	cr_assert(strstr(f.text, says) != NULL, "%s", f.text);
}

/* --- the route ------------------------------------------------------------------------------- */
Test(le_challenges, route)
{
	const struct nbs_route *route = case_host.route;

	cr_assert_str_eq(route->method, "GET");
	cr_assert_str_eq(route->path, PATH);
	cr_assert_eq(route->classes, (unsigned)(NBS_PUBLIC | NBS_ADMIN | NBS_CHALLENGE));
	cr_assert_eq(route->max_body, 0);
}

Test(le_challenges, route_that_is_taken)
{
	const struct challenges_tls to = {.provide = provide, .withdraw = withdraw, .arg = &tls};
	struct challenges *second;

	case_host.route_error = -EEXIST;
	cr_assert_eq(challenges_open(&second, &case_host.table, &to), -EEXIST);
}

static void expect_404(const char *path)
{
	struct nbs_request r = case_ask(path);

	cr_assert_eq(r.status, 404, "%s", path);
	cr_assert(strstr(r.body, "print") == NULL, "%s", path);
	cr_assert_str_eq(r.headers, "Cache-Control: no-store\r\n");
}

Test(le_challenges, http_01)
{
	const struct acme_challenge *offered = offers(name);
	struct nbs_request r;

	order(1, CHALLENGE_HTTP, 0, 0);
	expect_404(PATH "t-http");
	cr_assert_eq(begin(offered, 4), 3);
	r = case_ask(PATH "t-http");
	cr_assert_eq(r.status, 200);
	cr_assert_str_eq(r.type, "text/plain");
	cr_assert_str_eq(r.headers, "Cache-Control: no-store\r\n");
	cr_assert_str_eq(r.body, "token.print");
	cr_assert(case_logged("3 challenge=http-01 served to=192.0.2.7:40000"));
	expect_404(PATH);
	expect_404(PATH "t-tls");
	expect_404(PATH "t-http/");
	expect_404(PATH "t-http.");
	expect_404(PATH "../t-http");
	expect_404(PATH "T-HTTP");
	solver.end(solver.arg, &offered[3], true);
	expect_404(PATH "t-http");
	cr_assert_eq(tls.provided, 0);
}

Test(le_challenges, http_01_of_several_names)
{
	static const struct acme_identifier ids[] = {
	    {ACME_DNS, "a.example"}, {ACME_DNS, "b.example"}, {ACME_IP, "192.0.2.1"}};
	struct acme_challenge all[3];
	static const char *const tokens[] = {"ta", "tb", "tc"};
	char path[64];

	order(1, CHALLENGE_HTTP, 0, 0);
	for (int i = 0; i < 3; i++) {
		all[i] = offer("http-01", ids[i], tokens[i]);
		all[i].key_authorization = ids[i].value;
		begin(&all[i], 1);
	}
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), PATH "%s", tokens[i]);
		cr_assert_str_eq(case_ask(path).body, ids[i].value);
	}
	solver.end(solver.arg, &all[0], false);
	expect_404(PATH "ta");
	cr_assert_str_eq(case_ask(PATH "tb").body, ids[1].value);
	cr_assert_str_eq(case_ask(PATH "tc").body, ids[2].value);
}

Test(le_challenges, http_01_tokens_that_are_none)
{
	static const char *const bad[] = {"",   "../../etc/passwd", "a b", "a%41", "a=", "t\r\n",
	                                  "t?x"};
	static char huge[300];
	struct acme_challenge one;

	order(1, CHALLENGE_HTTP, 0, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		one = offer("http-01", name, bad[i]);
		begin_fails(&one, 1, -EIO, FAILURE_SERVER, "the token for signal.example.org");
	}
	memset(huge, 'a', sizeof(huge) - 1);
	one = offer("http-01", name, huge);
	begin_fails(&one, 1, -EIO, FAILURE_SERVER, "the token for signal.example.org");
	one = offer("http-01", name, "short");
	one.key_authorization = huge;
	begin(&one, 1);
}

Test(le_challenges, http_01_tokens_are_bounded)
{
	struct acme_challenge one;
	char token[16];

	order(1, CHALLENGE_HTTP, 0, 0);
	for (int i = 0; i < HTTP01_TOKENS; i++) {
		snprintf(token, sizeof(token), "t%d", i);
		one = offer("http-01", name, token);
		begin(&one, 1);
	}
	one = offer("http-01", name, "t0");
	begin(&one, 1); /* again: takes the place of the first */
	one = offer("http-01", name, "more");
	begin_fails(&one, 1, -EIO, FAILURE_LOCAL, "No buffer space");
	one = offer("http-01", name, "t0");
	solver.end(solver.arg, &one, true);
	one = offer("http-01", name, "more");
	begin(&one, 1);
}

static int log_nothing(struct nbs_host *h, enum nbs_level level)
{
	(void)h;
	(void)level;
	return 0;
}

static void ignore(struct nbs_host *, enum nbs_level, const char *, ...) NBS_PRINTF(3, 4);
static void ignore(struct nbs_host *h, enum nbs_level level, const char *fmt, ...)
{
	(void)h;
	(void)level;
	(void)fmt;
}

static void *ask_for_ever(void *arg)
{
	atomic_bool *stop = arg;

	while (!atomic_load(stop)) {
		struct nbs_request r = {.path = PATH "t-http"};

		case_host.route->handle(case_host.route_arg, &r);
		cr_assert(r.status == 404 || strcmp(r.body, "token.print") == 0);
	}
	return NULL;
}

Test(le_challenges, http_01_while_it_is_asked)
{
	const struct acme_challenge *offered = offers(name);
	atomic_bool stop = false;
	pthread_t thread;

	case_host.table.log_enabled = log_nothing;
	case_host.table.log = ignore;
	order(1, CHALLENGE_HTTP, 0, 0);
	pthread_create(&thread, NULL, ask_for_ever, &stop);
	for (int i = 0; i < 5000; i++) {
		cr_assert_eq(begin(offered, 4), 3);
		solver.end(solver.arg, &offered[3], true);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

/* --- the others ------------------------------------------------------------------------------ */
Test(le_challenges, tls_alpn_01)
{
	const struct acme_challenge *offered = offers(name);

	order(1, CHALLENGE_TLS_ALPN, 0, 0);
	cr_assert_eq(begin(offered, 4), 2);
	cr_assert_eq(tls.provided, 1);
	cr_assert_str_eq(tls.server_name, "signal.example.org");
	cr_assert_str_eq(tls.alpn, "acme-tls/1");
	solver.end(solver.arg, &offered[2], true);
	cr_assert_eq(tls.withdrawn, 1);
	expect_404(PATH "t-tls");
}

Test(le_challenges, tls_alpn_01_of_an_address)
{
	order(1, CHALLENGE_TLS_ALPN, 0, 0);
	begin(offers(address), 4);
	cr_assert_str_eq(tls.server_name, "1.2.0.192.in-addr.arpa");
}

static void write_hook(const char *script)
{
	static char path[512];
	char text[1024];

	snprintf(text, sizeof(text), "#!/bin/sh\nD=%s\n%s\n", case_dir, script);
	snprintf(path, sizeof(path), "%s", case_write("hook", 0700, text, strlen(text)));
	settings.hook = path;
}

Test(le_challenges, dns_01)
{
	const struct acme_challenge *offered = offers(name);

	write_hook("echo $1 $2 $3 $4 >> $D/calls");
	order(1, CHALLENGE_DNS, 0, 0);
	cr_assert_eq(begin(offered, 4), 0);
	solver.end(solver.arg, &offered[0], false);
	cr_assert_str_eq(case_output("cat %s/calls", case_dir),
	                 "begin dns-01 signal.example.org t-dns\n"
	                 "failed dns-01 signal.example.org t-dns\n");
}

static void settle(int code)
{
	struct failure f = {.text = ""};

	cr_assert_eq(solver.settle(solver.arg, &f), code, "%s", f.text);
}

/* However many records there are, and not at all without one. */
Test(le_challenges, dns_01_waits_once)
{
	static const struct acme_identifier other = {ACME_DNS, "b.example"};
	int64_t began = case_now(), took;

	settings.dns_delay_s = 600;
	order(1, CHALLENGE_HTTP, 0, 0);
	begin(offers(name), 4);
	settle(0);
	settings.dns_delay_s = 2;
	write_hook("exit 0");
	order(1, CHALLENGE_DNS, 0, 0);
	begin(offers(name), 4);
	begin(offers(other), 4);
	cr_assert(case_now() - began < 1900, "a record was waited for by itself");
	began = case_now();
	settle(0);
	took = case_now() - began;
	cr_assert(took >= 1500 && took < 15000, "%lld ms", (long long)took);
}

static void *cancel_soon(void *arg)
{
	nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	challenges_cancel(arg);
	return NULL;
}

Test(le_challenges, dns_01_stops_during_the_delay)
{
	const struct acme_challenge *offered = offers(name);
	int64_t began = case_now();
	pthread_t thread;

	settings.dns_delay_s = 600;
	write_hook("echo $1 >> $D/calls");
	order(1, CHALLENGE_DNS, 0, 0);
	begin(offered, 4);
	pthread_create(&thread, NULL, cancel_soon, challenges);
	settle(-ECANCELED);
	pthread_join(thread, NULL);
	solver.end(solver.arg, &offered[0], false);
	cr_assert(case_now() - began < 15000);
	cr_assert_str_eq(case_output("cat %s/calls", case_dir), "begin\nfailed\n");
}

Test(le_challenges, dns_01_without_a_program_is_said_at_once)
{
	order(1, CHALLENGE_DNS, 0, 0);
	cr_assert(case_logged("0 dns-01: hook dns-01 needs a program: set hook"), "%s",
	          case_host.log);
	begin_fails(offers(name), 4, -EIO, FAILURE_HOOK, "set hook");
}

/* --- the choice ------------------------------------------------------------------------------ */
Test(le_challenges, order_of_the_settings)
{
	order(2, CHALLENGE_TLS_ALPN, CHALLENGE_HTTP, 0);
	cr_assert_eq(begin(offers(name), 4), 2);
	order(2, CHALLENGE_HTTP, CHALLENGE_TLS_ALPN, 0);
	cr_assert_eq(begin(offers(name), 4), 3);
}

Test(le_challenges, next_one_if_the_first_cannot_stand)
{
	tls.error = -ESHUTDOWN;
	write_hook("exit 1");
	order(3, CHALLENGE_TLS_ALPN, CHALLENGE_DNS, CHALLENGE_HTTP);
	cr_assert_eq(begin(offers(name), 4), 3);
	cr_assert(case_logged("1 domain=signal.example.org tls-alpn-01: the certificate for "
	                      "signal.example.org cannot be served: "),
	          "%s", case_host.log);
	cr_assert(case_logged("; dns-01: ") && case_logged("exit status 1"), "%s", case_host.log);
}

Test(le_challenges, none_can_stand)
{
	tls.error = -ESHUTDOWN;
	write_hook("exit 1");
	order(2, CHALLENGE_TLS_ALPN, CHALLENGE_DNS, 0);
	begin_fails(offers(name), 4, -EIO, FAILURE_HOOK, "tls-alpn-01: ");
	begin_fails(offers(name), 4, -EIO, FAILURE_HOOK, "dns-01: ");
}

Test(le_challenges, none_that_is_allowed_is_offered)
{
	order(2, CHALLENGE_HTTP, CHALLENGE_TLS_ALPN, 0);
	begin_fails(offers(name), 2, -ENOTSUP, FAILURE_CHALLENGE,
	            "signal.example.org: the CA offers dns-01, unheard-of-01");
	begin_fails(offers(name), 0, -ENOTSUP, FAILURE_CHALLENGE, "no challenge");
}

Test(le_challenges, wildcards_and_addresses)
{
	static const struct acme_identifier wild = {ACME_DNS, "*.example.org"};

	write_hook("exit 0");
	order(3, CHALLENGE_HTTP, CHALLENGE_TLS_ALPN, CHALLENGE_DNS);
	cr_assert_eq(begin(offers(wild), 4), 0);
	order(1, CHALLENGE_DNS, 0, 0);
	begin_fails(offers(address), 4, -ENOTSUP, FAILURE_CHALLENGE, "192.0.2.1: the CA offers");
}

/* A CA's word does not become a URL, a program's argument or a certificate unseen. */
Test(le_challenges, identifiers_that_are_none)
{
	static const char *const bad[] = {"", "-rf", "a/b", "a@b", "a b", "$(x)", "a\nb", "a:80"};

	write_hook("echo >> $D/calls");
	order(3, CHALLENGE_HTTP, CHALLENGE_TLS_ALPN, CHALLENGE_DNS);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct acme_identifier id = {ACME_DNS, bad[i]};

		begin_fails(offers(id), 4, -ENOTSUP, FAILURE_CHALLENGE, "none that fits");
	}
	case_output("test ! -e %s/calls", case_dir);
	cr_assert_eq(tls.provided, 0);
}

Test(le_challenges, after_a_cancel_nothing_begins)
{
	order(2, CHALLENGE_HTTP, CHALLENGE_TLS_ALPN, 0);
	challenges_cancel(challenges);
	begin_fails(offers(name), 4, -ECANCELED, FAILURE_LOCAL, "stops");
	expect_404(PATH "t-http");
	cr_assert_eq(tls.provided, 0);
}
