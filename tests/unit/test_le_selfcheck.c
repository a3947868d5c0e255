/* The self-check against servers of all kinds on loopback: what is seen, and in which words it is
 * said what came instead.  Names below "localhost" need no resolver. */
#include "../../plugins/letsencrypt/challenges_private.h"
#include "le_request_case.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define AUTH "token_1.print"
#define PATH "/.well-known/acme-challenge/token_1"

/* --- a server -------------------------------------------------------------------------------- */
struct server {
	int fd;
	unsigned port;
	pthread_t thread;
	atomic_bool stop;
	atomic_uint asked;
	/* Of each connection; NULL: it is accepted and left alone. */
	void (*serve)(struct server *s, int fd);
	const char *answer;    /* of HTTP */
	SSL_CTX *ctx;          /* of TLS */
	const char *alpn;      /* that it speaks; NULL: none */
	char server_name[256]; /* that was asked for */
};

static void *run_server(void *arg)
{
	struct server *s = arg;
	int left[64], n = 0;

	while (!atomic_load(&s->stop)) {
		struct pollfd p = {.fd = s->fd, .events = POLLIN};
		int fd;

		if (poll(&p, 1, 20) <= 0 || (fd = accept(s->fd, NULL, NULL)) < 0)
			continue;
		atomic_fetch_add(&s->asked, 1);
		if (s->serve != NULL) {
			s->serve(s, fd);
			close(fd);
		} else if (n < 64) {
			left[n++] = fd;
		}
	}
	while (n > 0)
		close(left[--n]);
	return NULL;
}

static int listen_at(const struct sockaddr *sa, socklen_t len)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && (bind(fd, sa, len) < 0 || listen(fd, 16) < 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void start(struct server *s, int family)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(v6);

	s->fd = family == AF_INET6 ? listen_at((struct sockaddr *)&v6, sizeof(v6))
	                           : listen_at((struct sockaddr *)&v4, sizeof(v4));
	if (s->fd < 0 && family == AF_INET6)
		cr_skip_test("no IPv6 here");
	cr_assert(s->fd >= 0);
	cr_assert_eq(getsockname(s->fd, (struct sockaddr *)&v6, &len), 0);
	s->port = ntohs(v6.sin6_port); /* the same place as in sockaddr_in */
	cr_assert_eq(pthread_create(&s->thread, NULL, run_server, s), 0);
}

static void stop(struct server *s)
{
	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
	close(s->fd);
	SSL_CTX_free(s->ctx);
}

/* --- HTTP ------------------------------------------------------------------------------------ */
static void send_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t w = send(fd, bytes, n, MSG_NOSIGNAL);

		if (w <= 0)
			return;
		bytes += w;
		n -= (size_t)w;
	}
}

static void serve_http(struct server *s, int fd)
{
	char head[2048] = "";
	size_t n = 0;
	ssize_t r;

	while (n < sizeof(head) - 1 && strstr(head, "\r\n\r\n") == NULL &&
	       (r = recv(fd, head + n, sizeof(head) - 1 - n, 0)) > 0) {
		n += (size_t)r;
		head[n] = '\0';
	}
	if (strncmp(head, "GET " PATH " HTTP/1.1\r\n", strlen(PATH) + 15) == 0)
		send_all(fd, s->answer, strlen(s->answer));
	else
		send_all(fd, "HTTP/1.1 400 Bad\r\n\r\n", 20);
}

#define OK(body) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body
#define TO(url) "HTTP/1.1 302 Found\r\nLocation: " url "\r\nContent-Length: 0\r\n\r\n"

/* --- TLS ------------------------------------------------------------------------------------- */
static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                  const unsigned char *in, unsigned in_len, void *arg)
{
	struct server *s = arg;
	static unsigned char mine[64];
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	snprintf(s->server_name, sizeof(s->server_name), "%s", asked != NULL ? asked : "");
	if (s->alpn == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	mine[0] = (unsigned char)snprintf((char *)mine + 1, sizeof(mine) - 1, "%s", s->alpn);
	return SSL_select_next_proto((unsigned char **)out, out_len, mine, mine[0] + 1u, in,
	                             in_len) == OPENSSL_NPN_NEGOTIATED
	           ? SSL_TLSEXT_ERR_OK
	           : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void serve_tls(struct server *s, int fd)
{
	SSL *ssl = SSL_new(s->ctx);

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		if (s->answer != NULL) {
			char head[2048];

			SSL_read(ssl, head, sizeof(head));
			SSL_write(ssl, s->answer, (int)strlen(s->answer));
		}
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	ERR_clear_error();
}

/* With the certificate of a challenge. */
static void start_tls(struct server *s, const struct acme_identifier *id, const char *auth)
{
	EVP_PKEY *key = keys_generate(KEY_P256);
	char *pem;
	BIO *bio;
	X509 *cert;

	cr_assert_eq(keys_alpn_challenge(key, id, auth, &pem), 0);
	bio = BIO_new_mem_buf(pem, -1);
	cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	s->ctx = SSL_CTX_new(TLS_server_method());
	cr_assert(SSL_CTX_use_certificate(s->ctx, cert) == 1 &&
	          SSL_CTX_use_PrivateKey(s->ctx, key) == 1);
	SSL_CTX_set_alpn_select_cb(s->ctx, choose, s);
	s->serve = serve_tls;
	X509_free(cert);
	BIO_free(bio);
	free(pem);
	EVP_PKEY_free(key);
	start(s, AF_INET);
}

/* --- set-up ---------------------------------------------------------------------------------- */
static const struct acme_identifier name = {ACME_DNS, "signal.localhost"};
static const struct acme_identifier address = {ACME_IP, "127.0.0.1"};
static struct challenges_settings settings;
static struct cancel cancel;
static struct selfcheck check;
static struct acme_challenge challenge;

static void set_up(void)
{
	case_make_dir();
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	cr_assert_eq(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK);
	cr_assert_eq(cancel_open(&cancel), 0);
	settings = (struct challenges_settings){.self_check = true, .self_check_timeout_s = 10};
	challenge = (struct acme_challenge){
	    .identifier = name, .token = "token_1", .key_authorization = AUTH};
	check =
	    (struct selfcheck){.settings = &settings, .cancel = &cancel, .challenge = &challenge};
}

static void tear_down(void)
{
	cancel_close(&cancel);
	curl_global_cleanup();
	case_remove_dir();
}

TestSuite(le_selfcheck, .init = set_up, .fini = tear_down, .timeout = 60);

/* A port at which nobody listens. */
static unsigned free_port(void)
{
	struct server s = {.serve = NULL};

	start(&s, AF_INET);
	stop(&s);
	return s.port;
}

static void expect(int r, const char *says)
{
	if (*says == '\0') {
		cr_assert_eq(r, 0, "%s", check.why);
	} else {
		cr_assert_eq(r, -EHOSTUNREACH, "%d %s", r, check.why);
		cr_assert(strstr(check.why, says) != NULL, "%s", check.why);
		cr_assert(strstr(check.why, challenge.identifier.value) != NULL, "%s", check.why);
		cr_assert_lt(strlen(check.why), sizeof(check.why) - 1, "cut off: %s", check.why);
	}
}

/* What a server that answers so is taken for; "" if the challenge is seen. */
static void http_says(const char *answer, const char *says)
{
	struct server s = {.serve = answer != NULL ? serve_http : NULL, .answer = answer};

	start(&s, AF_INET);
	settings.http_port = s.port;
	expect(selfcheck_http(&check), says);
	stop(&s);
}

static void tls_says(struct server *s, const char *says)
{
	settings.tls_port = s->port;
	expect(selfcheck_tls(&check), says);
	stop(s);
}

/* --- http-01 --------------------------------------------------------------------------------- */
Test(le_selfcheck, http_is_seen)
{
	http_says(OK(AUTH), "");
	http_says(OK(AUTH "\r\n\t "), "");
	challenge.identifier = address;
	http_says(OK(AUTH), "");
}

Test(le_selfcheck, http_is_seen_at_an_ipv6_address)
{
	struct server s = {.serve = serve_http, .answer = OK(AUTH)};

	start(&s, AF_INET6);
	challenge.identifier = (struct acme_identifier){ACME_IP, "::1"};
	settings.http_port = s.port;
	expect(selfcheck_http(&check), "");
	stop(&s);
	expect(selfcheck_http(&check), "connection refused");
	cr_assert(strstr(check.why, "http://[::1]:") != NULL, "%s", check.why);
	cr_assert(strstr(check.why, " ([::1]:") != NULL, "%s", check.why);
}

Test(le_selfcheck, http_is_seen_without_a_proxy)
{
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	http_says(OK(AUTH), "");
}

Test(le_selfcheck, http_of_somebody_else)
{
	http_says("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
	          "status 404 came: another server answers there; make port ");
	cr_assert(strstr(check.why, "http-01: http://signal.localhost:") != NULL, "%s", check.why);
	cr_assert(strstr(check.why, "127.0.0.1:") != NULL, "%s", check.why);
	http_says(OK("hello"), "something else came: another server answers there");
	http_says(OK(""), "something else came");
	http_says(OK(AUTH "x"), "something else came");
	http_says(OK(" " AUTH), "something else came");
	http_says("HTTP/1.1 204 No Content\r\n\r\n", "status 204 came");
	http_says("220 mail.example ESMTP\r\n", "see what answers at port ");
	http_says("", "see what answers at port ");
}

Test(le_selfcheck, http_that_answers_without_end)
{
	static char huge[300000];

	memset(huge, 'x', sizeof(huge) - 1);
	memcpy(huge, OK(AUTH), strlen(OK(AUTH)));
	http_says(huge, "something else came");
}

Test(le_selfcheck, http_is_refused)
{
	settings.http_port = free_port();
	expect(selfcheck_http(&check),
	       "connection refused, nothing listens there; open or forward port ");
}

Test(le_selfcheck, http_is_not_answered)
{
	int64_t began = case_now();

	settings.self_check_timeout_s = 1;
	http_says(NULL, "no answer in time; open or forward port ");
	cr_assert(case_now() - began >= 900 && case_now() - began < 9000);
}

/* Longer than the label of a name may be: no resolver is asked. */
Test(le_selfcheck, name_that_does_not_resolve)
{
	challenge.identifier.value =
	    "a-label-that-is-longer-than-the-sixty-three-bytes-that-it-may-have.example";
	settings.http_port = settings.tls_port = 80;
	expect(selfcheck_http(&check), "the name does not resolve; add an A or AAAA record");
	expect(selfcheck_tls(&check), "the name does not resolve; add an A or AAAA record");
}

Test(le_selfcheck, redirect_to_a_certificate_that_is_none)
{
	struct server s = {.answer = OK(AUTH), .alpn = "http/1.1"};
	char answer[256];

	start_tls(&s, &name, AUTH);
	snprintf(answer, sizeof(answer), TO("https://other.localhost:%u" PATH), s.port);
	http_says(answer, "");
	cr_assert_str_eq(s.server_name, "other.localhost");
	stop(&s);
}

Test(le_selfcheck, redirects)
{
	http_says(TO(PATH), "maximum");
	http_says(TO("ftp://signal.localhost" PATH), "redirected to ftp://signal.localhost/");
	http_says(TO("file:///etc/passwd"), "see what answers at port ");
}

/* --- tls-alpn-01 ----------------------------------------------------------------------------- */
Test(le_selfcheck, tls_is_seen)
{
	struct server s = {.alpn = TLSALPN01_PROTOCOL}, t = {.alpn = TLSALPN01_PROTOCOL};

	start_tls(&s, &name, AUTH);
	tls_says(&s, "");
	cr_assert_str_eq(s.server_name, "signal.localhost");
	challenge.identifier = address;
	start_tls(&t, &address, AUTH);
	tls_says(&t, "");
	cr_assert_str_eq(t.server_name, "1.0.0.127.in-addr.arpa");
}

Test(le_selfcheck, tls_of_somebody_else)
{
	static const struct acme_identifier other = {ACME_DNS, "other.localhost"};
	struct server digest = {.alpn = TLSALPN01_PROTOCOL}, names = {.alpn = TLSALPN01_PROTOCOL};
	struct server none = {.alpn = NULL}, alert = {.alpn = "h2"};

	start_tls(&digest, &name, "another");
	tls_says(&digest, "another certificate came: another server answers there; make port ");
	cr_assert(strstr(check.why, "tls-alpn-01: signal.localhost at port ") != NULL, "%s",
	          check.why);
	start_tls(&names, &other, AUTH);
	tls_says(&names, "another certificate came");
	start_tls(&none, &name, AUTH);
	tls_says(&none, "another TLS server answers there, without acme-tls/1");
	start_tls(&alert, &name, AUTH);
	tls_says(&alert,
	         "the handshake failed (tlsv1 alert no application protocol): another server");
}

static void serve_bad_request(struct server *s, int fd)
{
	char hello[2048];

	(void)s;
	(void)!recv(fd, hello, sizeof(hello), 0);
	send_all(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}

Test(le_selfcheck, tls_that_is_none)
{
	struct server http = {.serve = serve_bad_request}, gone = {.serve = NULL};
	struct server silent = {.serve = NULL};
	int64_t began = case_now();

	start(&http, AF_INET);
	tls_says(&http,
	         "the handshake failed (wrong version number): another server answers there");
	start(&gone, AF_INET);
	stop(&gone);
	settings.tls_port = gone.port;
	expect(selfcheck_tls(&check), "connection refused, nothing listens there; open or forward");
	settings.self_check_timeout_s = 1;
	start(&silent, AF_INET);
	tls_says(&silent, "no answer to the handshake in time");
	cr_assert(case_now() - began < 9000);
}

static void hang_up(struct server *s, int fd)
{
	char hello[64];

	(void)s;
	(void)!recv(fd, hello, sizeof(hello), 0);
}

Test(le_selfcheck, tls_that_hangs_up)
{
	struct server s = {.serve = hang_up};

	start(&s, AF_INET);
	tls_says(&s, "the handshake failed (");
}

/* --- both ------------------------------------------------------------------------------------ */
static void *cancel_when_asked(void *arg)
{
	struct server *s = arg;

	CASE_UNTIL(atomic_load(&s->asked) > 0);
	cancel_set(&cancel);
	return NULL;
}

Test(le_selfcheck, is_canceled)
{
	struct server s = {.serve = NULL};
	int64_t began = case_now();
	pthread_t thread;

	settings.self_check_timeout_s = 600;
	start(&s, AF_INET);
	settings.http_port = settings.tls_port = s.port;
	pthread_create(&thread, NULL, cancel_when_asked, &s);
	cr_assert_eq(selfcheck_http(&check), -ECANCELED);
	pthread_join(thread, NULL);
	cr_assert_eq(selfcheck_tls(&check), -ECANCELED);
	stop(&s);
	cr_assert(case_now() - began < 15000);
}

Test(le_selfcheck, handshake_is_canceled)
{
	struct server s = {.serve = NULL};
	pthread_t thread;

	settings.self_check_timeout_s = 600;
	start(&s, AF_INET);
	settings.tls_port = s.port;
	pthread_create(&thread, NULL, cancel_when_asked, &s);
	cr_assert_eq(selfcheck_tls(&check), -ECANCELED);
	pthread_join(thread, NULL);
	stop(&s);
}

/* --- as the solver uses it ------------------------------------------------------------------- */
static struct server own; /* takes the place of the daemon */
static unsigned withdrawn;

static int provide(void *arg, const struct nbs_cert *cert)
{
	BIO *chain = BIO_new_mem_buf(cert->chain, (int)cert->chain_len);
	EVP_PKEY *key = keys_from_pem(cert->key, cert->key_len);
	X509 *leaf = PEM_read_bio_X509(chain, NULL, NULL, NULL);

	(void)arg;
	own = (struct server){.serve = serve_tls, .alpn = cert->alpn};
	own.ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(own.ctx, leaf);
	SSL_CTX_use_PrivateKey(own.ctx, key);
	SSL_CTX_set_alpn_select_cb(own.ctx, choose, &own);
	X509_free(leaf);
	EVP_PKEY_free(key);
	BIO_free(chain);
	own.fd = listen_at(
	    (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET,
	                                             .sin_port = htons((uint16_t)settings.tls_port),
	                                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
	    sizeof(struct sockaddr_in));
	cr_assert(own.fd >= 0);
	pthread_create(&own.thread, NULL, run_server, &own);
	return 0;
}

static int provide_nothing(void *arg, const struct nbs_cert *cert)
{
	(void)arg;
	(void)cert;
	return 0;
}

static int withdraw(void *arg, const char *cert)
{
	(void)arg;
	(void)cert;
	withdrawn++;
	return 0;
}

static int solve_for(struct acme_identifier id, struct challenges *c, size_t *chosen,
                     struct failure *f)
{
	const struct acme_solver solver = challenges_solver(c);
	const struct acme_challenge offered[] = {
	    {"dns-01", id, "t-dns", AUTH},
	    {"tls-alpn-01", id, "t-tls", AUTH},
	    {"http-01", id, "token_1", AUTH},
	};
	int r = solver.begin(solver.arg, offered, 3, chosen, f);

	if (r == 0)
		solver.end(solver.arg, &offered[*chosen], true);
	return r;
}

static int solve(struct challenges *c, size_t *chosen, struct failure *f)
{
	return solve_for(name, c, chosen, f);
}

static struct challenges *open_challenges(int (*give)(void *, const struct nbs_cert *))
{
	const struct challenges_tls tls = {.provide = give, .withdraw = withdraw};
	struct challenges *c;

	cr_assert_eq(challenges_open(&c, case_http_open(), &tls), 0);
	settings.order[0] = CHALLENGE_HTTP;
	settings.order[1] = CHALLENGE_TLS_ALPN;
	settings.n_order = 2;
	settings.http_port = free_port();
	settings.tls_port = free_port();
	challenges_configure(c, &settings);
	return c;
}

Test(le_selfcheck, chooses_what_is_seen)
{
	struct challenges *c = open_challenges(provide);
	struct failure f = {.text = ""};
	size_t chosen = 99;

	cr_assert_eq(solve(c, &chosen, &f), 0, "%s", f.text);
	cr_assert_eq(chosen, 1);
	cr_assert_eq(withdrawn, 1);
	cr_assert(case_logged("1 domain=signal.localhost http-01: http://signal.localhost:") &&
	              case_logged("connection refused"),
	          "%s", case_host.log);
	cr_assert_eq(case_ask(PATH).status, 404, "the first try is left behind");
	stop(&own);
	challenges_close(c);
}

Test(le_selfcheck, says_why_nothing_is_seen)
{
	struct challenges *c = open_challenges(provide_nothing);
	struct failure f = {.text = ""};
	size_t chosen = 99;

	cr_assert_eq(solve(c, &chosen, &f), -EHOSTUNREACH, "%s", f.text);
	cr_assert_eq(f.kind, FAILURE_UNREACHABLE);
	cr_assert(strstr(f.text, "signal.localhost does not lead to this server") != NULL &&
	              strstr(f.text, "self-check = no") != NULL &&
	              strstr(f.text, ": http-01: http://") != NULL &&
	              strstr(f.text, "; tls-alpn-01: signal.localhost at port ") != NULL,
	          "%s", f.text);
	cr_assert(strstr(f.text, "...") == NULL, "cut off: %s", f.text);
	cr_assert_eq(withdrawn, 1);
	cr_assert_eq(case_ask(PATH).status, 404);
	challenges_close(c);
}

/* A name of `len` bytes that libcurl itself resolves. */
static struct acme_identifier long_name(size_t len)
{
	static const char end[] = ".localhost";
	static char text[254];

	for (size_t i = 0; i < len - strlen(end); i++)
		text[i] = i % 50 == 49 ? '.' : 'a';
	memcpy(text + len - strlen(end), end, sizeof(end));
	return (struct acme_identifier){ACME_DNS, text};
}

/* What comes last is what to do. */
Test(le_selfcheck, says_why_of_long_names)
{
	struct challenges *c = open_challenges(provide_nothing);
	struct failure f = {.text = ""};
	const char *end;
	size_t chosen = 99;
	char port[64];

	cr_assert_eq(solve_for(long_name(100), c, &chosen, &f), -EHOSTUNREACH, "%s", f.text);
	snprintf(port, sizeof(port), "open or forward port %u to this server", settings.tls_port);
	end = strstr(f.text, port);
	cr_assert(end != NULL && strcmp(end, port) == 0, "cut off: %s", f.text);
	challenge.identifier = long_name(253);
	expect(selfcheck_http(&check), "open or forward port ");
	expect(selfcheck_tls(&check), "open or forward port ");
	challenges_close(c);
}

Test(le_selfcheck, is_not_made)
{
	struct challenges *c;
	struct failure f = {.text = ""};
	size_t chosen = 99;

	settings.self_check = false;
	c = open_challenges(provide_nothing);
	cr_assert_eq(solve(c, &chosen, &f), 0, "%s", f.text);
	cr_assert_eq(chosen, 2);
	challenges_close(c);
}
