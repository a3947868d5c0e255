/* Keys of session tickets: how long one is accepted. */
#include "tls_case.h"
#include "tls_tickets.h"

static struct tls_tickets *tickets;
static SSL_CTX *client, *server;

static void set_up_with(uint64_t lifetime_ms)
{
	struct made m = make_cert(&(struct wanted){.cn = "server"});

	cr_assert_eq(tls_tickets_open(&tickets, lifetime_ms), 0);
	server = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(server, m.cert);
	SSL_CTX_use_PrivateKey(server, m.key);
	SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_OFF);
	tls_tickets_use(tickets, server);
	SSL_CTX_set_timeout(server, 1000);   /* what ends a session here is its key */
	client = client_ctx(TLS1_2_VERSION); /* its tickets come within the handshake */
	free_cert(&m);
}

static void tear_down(void)
{
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	tls_tickets_close(tickets);
}

TestSuite(tls_tickets, .fini = tear_down, .timeout = 60);

/* One handshake.  *session is what the client could resume afterwards. */
static bool resumed(SSL_SESSION **session)
{
	SSL *ours = SSL_new(server), *theirs = SSL_new(client);
	BIO *a, *b;
	bool hit;

	BIO_new_bio_pair(&a, 1 << 17, &b, 1 << 17);
	SSL_set_bio(ours, a, a);
	SSL_set_bio(theirs, b, b);
	SSL_set_accept_state(ours);
	SSL_set_connect_state(theirs);
	if (*session != NULL)
		SSL_set_session(theirs, *session);
	for (int i = 0; i < 6; i++) {
		SSL_do_handshake(theirs);
		SSL_do_handshake(ours);
	}
	cr_assert(SSL_is_init_finished(ours) && SSL_is_init_finished(theirs));
	hit = SSL_session_reused(ours) == 1;
	SSL_SESSION_free(*session);
	*session = SSL_get1_session(theirs);
	SSL_shutdown(theirs);
	SSL_free(ours);
	SSL_free(theirs);
	return hit;
}

Test(tls_tickets, a_session_is_resumed)
{
	SSL_SESSION *session = NULL;

	set_up_with(TLS_TICKETS_LIFETIME_MS);
	cr_expect_not(resumed(&session));
	cr_expect(resumed(&session));
	cr_expect(resumed(&session));
	SSL_SESSION_free(session);
}

Test(tls_tickets, a_ticket_of_another_server_is_a_full_handshake)
{
	SSL_SESSION *session = NULL;
	struct tls_tickets *others;

	set_up_with(TLS_TICKETS_LIFETIME_MS);
	resumed(&session);
	cr_assert_eq(tls_tickets_open(&others, TLS_TICKETS_LIFETIME_MS), 0);
	tls_tickets_use(others, server);
	cr_expect_not(resumed(&session));
	SSL_SESSION_free(session);
	tls_tickets_close(others);
}

/* For one lifetime after its own a key is still accepted, and what it sealed is sealed anew. */
Test(tls_tickets, a_key_is_accepted_twice_its_lifetime)
{
	SSL_SESSION *session = NULL, *old;
	bool changed = false;

	set_up_with(1000);
	resumed(&session);
	old = SSL_SESSION_dup(session);
	for (int i = 0; i < 1000; i++) {
		SSL_SESSION *copy = SSL_SESSION_dup(old);

		if (!resumed(&copy)) { /* the first of them is over its time */
			SSL_SESSION_free(copy);
			changed = true;
			break;
		}
		SSL_SESSION_free(session);
		session = copy;
		usleep(10000);
	}
	cr_expect(changed, "an old ticket is accepted for ever");
	cr_expect(resumed(&session), "one that was sealed anew is not");
	SSL_SESSION_free(session);
	SSL_SESSION_free(old);
}
