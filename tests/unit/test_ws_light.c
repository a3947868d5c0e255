/* The light transport of plugins/websocket against a host that does as the contract says. */
#include "ws_case.h"

#include <time.h>

#define LIGHT "/signal/ws"
#define KEY "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

static struct nbs_ws ws;

static void open_peer(const char *id)
{
	ws.query = id;
	cr_assert_eq(ws_open(&ws, LIGHT), 0);
	ws_turn(&ws);
}

static void assert_code(unsigned code, const char *reason)
{
	cr_assert_eq(ws.code, code, "code %u", ws.code);
	cr_assert_str_eq(ws.reason, reason);
	cr_assert(ws.lease_was_back, "the id is free before the client has answered");
	ws_end(&ws, code);
}

static double closes(const char *reason)
{
	char name[64];

	snprintf(name, sizeof(name), "websocket_closes_total{reason=\"%s\"}", reason);
	return metric(name);
}

static void assert_written(const char *text)
{
	cr_assert_eq(ws.n_written, strlen(text), "%zu bytes", ws.n_written);
	cr_assert_eq(memcmp(ws.written, text, ws.n_written), 0);
}

TestSuite(ws_light, .init = plugin_begin, .fini = plugin_end);

Test(ws_light, the_registration_is_one_text_frame)
{
	open_peer("alice");
	cr_assert_str_eq(host.lease.id, "alice");
	assert_written("registered");
	cr_assert_eq(ws.n_flags, 1);
	cr_assert_eq(ws.flags[0], WHOLE | NBS_WS_TEXT);
	cr_assert_eq(metric("websocket_peers{}"), 1);
	ws_end(&ws, 1000);
	cr_assert_eq(metric("websocket_peers{}"), 0);
	cr_assert_eq(closes("client"), 1);
}

Test(ws_light, the_subprotocol_is_claimed)
{
	cr_assert_str_eq(host.paths[0]->path, LIGHT);
	cr_assert_str_eq(host.paths[0]->subprotocol, "netbird-signal.v1");
	cr_assert_eq(host.paths[0]->classes, NBS_PUBLIC);
}

Test(ws_light, the_id_comes_from_a_header)
{
	ws.header = "bob";
	open_peer(NULL);
	cr_assert_str_eq(host.lease.id, "bob");
	ws_end(&ws, 1000);
}

Test(ws_light, the_query_outranks_the_header)
{
	ws.header = "bob";
	open_peer("alice");
	cr_assert_str_eq(host.lease.id, "alice");
	ws_end(&ws, 1000);
}

Test(ws_light, a_space_in_a_key_was_a_plus)
{
	static const char *const ids[][2] = {
	    {KEY, KEY},
	    {" DEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5 DE=",
	     "+DEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5+DE="},
	    {"a b", "a b"},
	    {" DEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE", NULL},  /* 43 */
	    {" DEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEx", NULL}, /* no = */
	    {" DEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MD==", NULL}, /* two */
	    {" DEyMzQ1Njc4OTAxMjM0NTY3_DkwMTIzNDU2Nzg5MDE=", NULL}, /* not base64 */
	};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		ws = (struct nbs_ws){0};
		open_peer(ids[i][0]);
		cr_assert_str_eq(host.lease.id, ids[i][ids[i][1] != NULL]);
		ws_end(&ws, 1000);
	}
}

Test(ws_light, no_id)
{
	open_peer(NULL);
	cr_assert_eq(host.refused[NBS_REFUSED_MISSING_ID], 1);
	assert_code(4400, "missing peer id");
	cr_assert_eq(closes("missing_id"), 1);
	cr_assert_eq(metric("websocket_peers{}"), 0);
}

Test(ws_light, an_empty_id)
{
	open_peer("");
	cr_assert_eq(host.refused[NBS_REFUSED_MISSING_ID], 1);
	assert_code(4400, "missing peer id");
}

Test(ws_light, an_id_that_the_registry_finds_too_long)
{
	host.register_error = -ENAMETOOLONG;
	open_peer("long");
	assert_code(4414, "peer id too long");
}

Test(ws_light, an_id_that_does_not_even_fit)
{
	char id[4000];

	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	open_peer(id);
	assert_code(4414, "peer id too long");
}

Test(ws_light, messages_go_out_in_order_after_the_registration)
{
	host.undecided = true;
	open_peer("alice");
	host.lease.ops->registered(host.lease.cookie, 0, "");
	deliver("one", 3);
	deliver("two", 3);
	ws_turn(&ws);
	assert_written("registeredonetwo");
	cr_assert_eq(ws.flags[0], WHOLE | NBS_WS_TEXT);
	cr_assert_eq(ws.flags[1], WHOLE);
	cr_assert_eq(ws.flags[2], WHOLE);
	ws_end(&ws, 1000);
}

Test(ws_light, a_full_socket_leaves_the_others_in_the_mailbox)
{
	open_peer("alice");
	ws.room = 2;
	deliver("first", 5);
	deliver("second", 6);
	ws_turn(&ws);
	cr_assert_eq(host.lease.taken, 1);
	ws.room = 0;
	ws.ops->writable(ws.cookie); /* and none after all */
	ws.room = 100;
	ws.ops->writable(ws.cookie);
	assert_written("registeredfirstsecond");
	cr_assert_eq(ws.flags[1], WHOLE);
	cr_assert_eq(ws.flags[2], NBS_WS_FINAL, "the rest of a message begins none");
	cr_assert_eq(ws.flags[3], WHOLE);
	ws_end(&ws, 1000);
}

Test(ws_light, what_took_nothing_has_not_begun)
{
	open_peer("alice");
	ws.room = 0;
	deliver("first", 5);
	ws_turn(&ws);
	ws.room = 100;
	ws.ops->writable(ws.cookie);
	cr_assert_eq(ws.flags[1], WHOLE);
	ws_end(&ws, 1000);
}

Test(ws_light, a_message_in_one_piece_is_forwarded_without_a_copy)
{
	const char bytes[] = "message";

	open_peer("alice");
	ws_send(&ws, bytes, 7, WHOLE);
	cr_assert_eq(host.forwarded_from, bytes);
	cr_assert_eq(host.n_forwarded, 7);
	cr_assert_eq(metric("websocket_messages_received_total{}"), 1);
	ws_end(&ws, 1000);
}

Test(ws_light, a_message_in_pieces_is_forwarded_whole)
{
	open_peer("alice");
	ws_send(&ws, "mes", 3, NBS_WS_FIRST);
	ws_send(&ws, "", 0, 0);
	ws_send(&ws, "sa", 2, 0);
	cr_assert_eq(host.forwards, 0);
	ws_send(&ws, "ge", 2, NBS_WS_FINAL);
	cr_assert_eq(host.forwards, 1);
	cr_assert_eq(host.n_forwarded, 7);
	cr_assert_eq(memcmp(host.forwarded, "message", 7), 0);
	ws_send(&ws, "next", 4, WHOLE);
	cr_assert_eq(host.forwards, 2);
	ws_end(&ws, 1000);
}

Test(ws_light, what_is_no_fault_of_the_sender)
{
	static const int errors[] = {-ENOENT, -ENOBUFS, -ENOMEM};

	open_peer("alice");
	for (size_t i = 0; i < 3; i++) {
		host.forward_error = errors[i];
		ws_send(&ws, "x", 1, WHOLE);
		cr_assert_eq(ws.code, 0);
	}
	ws_end(&ws, 1000);
}

Test(ws_light, no_encrypted_message)
{
	open_peer("alice");
	host.forward_error = -EBADMSG;
	ws_send(&ws, "x", 1, WHOLE);
	assert_code(1007, "no EncryptedMessage");
}

Test(ws_light, too_large_for_the_daemon)
{
	open_peer("alice");
	host.forward_error = -EMSGSIZE;
	ws_send(&ws, "x", 1, WHOLE);
	assert_code(1009, "message too large");
}

Test(ws_light, too_large_before_it_is_whole)
{
	static const char bytes[MAX_MESSAGE];

	open_peer("alice");
	ws_send(&ws, bytes, sizeof(bytes), NBS_WS_FIRST);
	cr_assert_eq(ws.code, 0);
	ws_send(&ws, "x", 1, 0);
	cr_assert_eq(ws.code, 1009);
	ws_send(&ws, "x", 1, NBS_WS_FINAL); /* read from the socket already */
	cr_assert_eq(host.forwards, 0);
	assert_code(1009, "message too large");
}

Test(ws_light, text_where_binary_is_due)
{
	open_peer("alice");
	ws_send(&ws, "x", 1, WHOLE | NBS_WS_TEXT);
	cr_assert_eq(host.forwards, 0);
	assert_code(1003, "messages are binary");
}

Test(ws_light, hung_up_by_the_daemon)
{
	static const struct {
		enum nbs_reason why;
		unsigned code;
		const char *reason;
	} cases[] = {
	    {NBS_REPLACED, 4409, "peer registered again"},
	    {NBS_STALLED, 4410, "receiver stalled"},
	    {NBS_STOPPING, 1001, "server is shutting down"},
	};

	for (size_t i = 0; i < 3; i++) {
		ws = (struct nbs_ws){0};
		open_peer("alice");
		host.lease.ops->hangup(host.lease.cookie, cases[i].why);
		cr_assert_eq(ws.code, 0, "not inside the callback");
		ws_turn(&ws);
		assert_code(cases[i].code, cases[i].reason);
	}
}

Test(ws_light, a_stop_leaves_time_for_the_mailbox)
{
	open_peer("alice");
	ws.room = 1;
	deliver("one", 3);
	deliver("two", 3);
	host.lease.ops->hangup(host.lease.cookie, NBS_STOPPING);
	ws_turn(&ws);
	cr_assert_eq(ws.code, 0);
	ws.room = 100;
	ws.ops->writable(ws.cookie);
	assert_written("registeredonetwo");
	assert_code(1001, "server is shutting down");
}

Test(ws_light, hung_up_inside_a_message)
{
	open_peer("alice");
	ws.room = 1;
	deliver("one", 3);
	ws_turn(&ws);
	host.lease.ops->hangup(host.lease.cookie, NBS_REPLACED);
	ws_turn(&ws);
	assert_code(4409, "peer registered again");
}

Test(ws_light, nothing_is_read_before_the_registration)
{
	host.undecided = true;
	open_peer("alice");
	cr_assert(ws.paused);
	assert_written("");
	host.lease.ops->registered(host.lease.cookie, 0, "");
	assert_written("");
	ws_turn(&ws);
	cr_assert_not(ws.paused);
	assert_written("registered");
	ws_end(&ws, 1000);
}

Test(ws_light, a_message_before_the_registration)
{
	host.undecided = true;
	open_peer("alice");
	ws_send(&ws, "x", 1, WHOLE);
	cr_assert_eq(host.forwards, 0);
	assert_code(1008, "message before the registration");
}

Test(ws_light, refused)
{
	static const struct {
		int verdict;
		unsigned code;
		const char *why, *reason;
	} cases[] = {
	    {-EACCES, 4403, "not on the list", "not on the list"},
	    {-EAGAIN, 4429, "", "registering too often, try again later"},
	    {-ETIMEDOUT, 1013, "", "registration was not decided"},
	    {-ENOMEM, 1013, "", "out of memory"},
	    {-ESHUTDOWN, 1001, "", "server is shutting down"},
	};

	host.undecided = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ws = (struct nbs_ws){0};
		open_peer("alice");
		host.lease.ops->registered(host.lease.cookie, cases[i].verdict, cases[i].why);
		ws_turn(&ws);
		assert_written("");
		assert_code(cases[i].code, cases[i].reason);
		cr_assert_eq(metric("websocket_peers{}"), 0);
	}
}

/* Cutting it is the host's part. */
Test(ws_light, a_long_reason_is_given_whole)
{
	char why[200] = "";

	memset(why, 'x', sizeof(why) - 1);
	host.undecided = true;
	open_peer("alice");
	host.lease.ops->registered(host.lease.cookie, -EACCES, why);
	ws_turn(&ws);
	assert_code(4403, why);
}

Test(ws_light, a_client_that_breaks_off)
{
	open_peer("alice");
	ws_send(&ws, "half", 4, NBS_WS_FIRST);
	ws_end(&ws, 1006);
	cr_assert_eq(closes("lost"), 1);
	cr_assert_eq(host.leases, 0);
	cr_assert_eq(host.refused[NBS_REFUSED_FAILED_HEADER], 0);
}

Test(ws_light, a_client_that_is_gone_before_it_heard)
{
	ws.room = 1; /* of the text */
	open_peer("alice");
	ws_end(&ws, 1006);
	cr_assert_eq(host.refused[NBS_REFUSED_FAILED_HEADER], 1);
}

Test(ws_light, a_client_that_is_gone_before_the_verdict)
{
	host.undecided = true;
	open_peer("alice");
	ws_end(&ws, 1006);
	cr_assert_eq(host.leases, 0);
}

Test(ws_light, nobody_is_taken_any_more)
{
	nbs_plugin_entry.drain(host.self);
	ws.query = "alice";
	cr_assert_eq(ws_open(&ws, LIGHT), -ESHUTDOWN);
	cr_assert_eq(host.leases, 0);
}

/* --- with a thread that plays the daemon's loop --- */

static atomic_bool loop_ends;
static struct timespec loop_pause; /* a busy machine */

static void *loop(void *arg)
{
	(void)arg;
	nanosleep(&loop_pause, NULL);
	while (!atomic_load(&loop_ends)) {
		ws_turn(&ws);
		if (ws.code != 0) {
			ws_end(&ws, ws.code);
			break;
		}
		sched_yield();
	}
	return NULL;
}

Test(ws_light, a_stop_without_grace_waits_for_the_leases_all_the_same)
{
	const struct timespec pause = {.tv_nsec = 100000000};
	struct timespec begin, end;
	pthread_t thread;

	open_peer("alice");
	loop_pause = pause;
	pthread_create(&thread, NULL, loop, NULL);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	cr_assert_eq(nbs_plugin_entry.stop(host.self, 0), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	cr_assert_eq(host.leases, 0);
	cr_assert_lt(end.tv_sec - begin.tv_sec, 2, "and no longer");
	pthread_join(thread, NULL);
	nbs_plugin_entry.destroy(host.self);
	plugin_begin(); /* for the end of the case */
}

Test(ws_light, a_stop_ends_a_client_that_does_not_read)
{
	pthread_t thread;

	open_peer("alice");
	ws.room = 0;
	deliver("stuck", 5);
	pthread_create(&thread, NULL, loop, NULL);
	cr_assert_eq(nbs_plugin_entry.stop(host.self, 200), 0);
	pthread_join(thread, NULL);
	cr_assert_eq(ws.code, 1001);
	cr_assert_eq(host.leases, 0);
	nbs_plugin_entry.destroy(host.self);
	plugin_begin(); /* for the end of the case */
}

/* Callbacks from other threads while the WebSocket works: for ThreadSanitizer. */
static void *wakes(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++)
		host.lease.ops->wake(host.lease.cookie);
	return NULL;
}

Test(ws_light, wakes_from_elsewhere)
{
	pthread_t waker, looper;

	open_peer("alice");
	pthread_create(&looper, NULL, loop, NULL);
	pthread_create(&waker, NULL, wakes, NULL);
	pthread_join(waker, NULL);
	atomic_store(&loop_ends, true);
	pthread_join(looper, NULL);
	deliver("last", 4);
	ws_turn(&ws);
	assert_written("registeredlast");
	ws_end(&ws, 1000);
}
