/* The tunnel of plugins/websocket against a host that does as the contract says. */
#include "ws_case.h"

#define TUNNEL "/ws-proxy/signal"

static struct nbs_ws ws;

static void open_tunnel(void)
{
	cr_assert_eq(ws_open(&ws, TUNNEL), 0);
	cr_assert_eq(metric("wsproxy_active_connections{}"), 1);
}

static double errors(const char *type)
{
	char name[80];

	snprintf(name, sizeof(name), "wsproxy_errors_total{error_type=\"%s\"}", type);
	return metric(name);
}

static double all_errors(void)
{
	return errors("websocket_accept_failed") + errors("websocket_read_error") +
	       errors("websocket_write_error") + errors("pipe_write_error");
}

static size_t put(const char *bytes)
{
	return ws.inner->ops->write(ws.inner->cookie, bytes, strlen(bytes));
}

static void flow(int on)
{
	ws.inner->ops->flow(ws.inner->cookie, on);
}

static void assert_inside(const char *bytes)
{
	cr_assert_eq(ws.inner->len, strlen(bytes));
	cr_assert_eq(memcmp(ws.inner->bytes, bytes, ws.inner->len), 0);
}

static void end_clean(void)
{
	ws_end(&ws, 1000);
	cr_assert_eq(metric("wsproxy_active_connections{}"), 0);
	cr_assert_eq(all_errors(), 0);
}

TestSuite(ws_tunnel, .init = plugin_begin, .fini = plugin_end);

Test(ws_tunnel, bytes_whatever_the_frames)
{
	open_tunnel();
	ws_send(&ws, "PRI", 3, WHOLE);
	ws_send(&ws, " *", 2, NBS_WS_FIRST);
	ws_send(&ws, "", 0, 0);
	ws_send(&ws, " HT", 3, NBS_WS_FINAL);
	assert_inside("PRI * HT");
	cr_assert_eq(metric("wsproxy_bytes_transferred_total{direction=\"ws_to_grpc\"}"), 8);
	end_clean();
	cr_assert(ws.inner->ended);
	cr_assert_eq(ws.inner->err, 0);
}

Test(ws_tunnel, text_is_ignored)
{
	open_tunnel();
	ws_send(&ws, "text", 4, WHOLE | NBS_WS_TEXT);
	ws_send(&ws, "te", 2, NBS_WS_FIRST | NBS_WS_TEXT);
	ws_send(&ws, "xt", 2, NBS_WS_FINAL | NBS_WS_TEXT);
	ws_send(&ws, "bytes", 5, WHOLE);
	assert_inside("bytes");
	cr_assert_eq(ws.code, 0);
	end_clean();
}

Test(ws_tunnel, what_comes_while_the_service_wants_nothing_is_held)
{
	open_tunnel();
	ws_send(&ws, "a", 1, WHOLE);
	flow(0);
	cr_assert(ws.paused);
	ws_send(&ws, "b", 1, WHOLE);
	ws_send(&ws, "c", 1, WHOLE);
	assert_inside("a");
	flow(1);
	cr_assert_not(ws.paused);
	assert_inside("abc");
	ws_send(&ws, "d", 1, WHOLE);
	assert_inside("abcd");
	flow(0);
	flow(1);
	assert_inside("abcd");
	end_clean();
}

Test(ws_tunnel, what_was_held_stops_the_flow_again)
{
	open_tunnel();
	flow(0);
	ws_send(&ws, "a", 1, WHOLE);
	ws.inner->stops = true;
	flow(1);
	cr_assert(ws.paused);
	ws_send(&ws, "b", 1, WHOLE);
	assert_inside("a");
	flow(1);
	cr_assert_not(ws.paused);
	assert_inside("ab");
	ws.inner->stops = true;
	ws_send(&ws, "c", 1, WHOLE);
	cr_assert(ws.paused);
	ws_send(&ws, "d", 1, WHOLE);
	assert_inside("abc");
	end_clean();
}

Test(ws_tunnel, what_is_held_goes_with_the_tunnel)
{
	open_tunnel();
	flow(0);
	ws_send(&ws, "lost", 4, WHOLE);
	end_clean();
	assert_inside("");
}

Test(ws_tunnel, a_daemon_that_does_not_pause_fills_no_memory)
{
	static const char bytes[65536];

	open_tunnel();
	flow(0);
	for (int i = 0; i < 16; i++)
		ws_send(&ws, bytes, sizeof(bytes), WHOLE);
	cr_assert_eq(ws.code, 0);
	ws_send(&ws, "x", 1, WHOLE);
	cr_assert_eq(ws.code, 1011);
	cr_assert(ws.inner->ended);
	cr_assert_eq(errors("pipe_write_error"), 1);
	ws_end(&ws, 1011);
}

Test(ws_tunnel, what_the_service_writes)
{
	open_tunnel();
	cr_assert_eq(put("hello"), 5);
	cr_assert_eq(ws.flags[0], WHOLE);
	ws.room = 2;
	cr_assert_eq(put("world"), 2);
	cr_assert_eq(put("rld"), 0);
	ws.room = 100;
	ws.ops->writable(ws.cookie);
	cr_assert_eq(ws.inner->writable, 1);
	cr_assert_eq(put("rld and more"), 12);
	cr_assert_eq(ws.flags[1], WHOLE);
	cr_assert_eq(ws.flags[2], NBS_WS_FINAL, "the message goes on");
	cr_assert_eq(put("!"), 1);
	cr_assert_eq(ws.flags[3], WHOLE);
	cr_assert_eq(memcmp(ws.written, "helloworld and more!", 20), 0);
	cr_assert_eq(metric("wsproxy_bytes_transferred_total{direction=\"grpc_to_ws\"}"), 20);
	end_clean();
}

Test(ws_tunnel, the_service_ends)
{
	open_tunnel();
	put("hello");
	ws.inner->ops->closed(ws.inner->cookie, NBS_CLOSE_FLUSH);
	cr_assert_eq(ws.code, 1000);
	ws_send(&ws, "late", 4, WHOLE);
	ws.ops->writable(ws.cookie);
	cr_assert_not(ws.inner->ended, "it is gone");
	end_clean();
}

Test(ws_tunnel, the_service_does_not_take_it)
{
	open_tunnel();
	ws.inner->ops->closed(ws.inner->cookie, NBS_CLOSE_FLUSH);
	cr_assert_eq(ws.code, 1011);
	ws_end(&ws, 1011);
	cr_assert_eq(errors("websocket_accept_failed"), 1);
}

Test(ws_tunnel, the_service_breaks_off)
{
	open_tunnel();
	put("hello");
	ws.inner->ops->closed(ws.inner->cookie, NBS_CLOSE_ABORT);
	cr_assert_eq(ws.code, 1011);
	ws_end(&ws, 1011);
	cr_assert_eq(errors("pipe_write_error"), 1);
	cr_assert_eq(all_errors(), 1);
}

Test(ws_tunnel, the_client_breaks_off)
{
	open_tunnel();
	ws_end(&ws, 1006);
	cr_assert_eq(ws.inner->err, -ECONNRESET);
	cr_assert_eq(errors("websocket_read_error"), 1);
	cr_assert_eq(all_errors(), 1);
}

Test(ws_tunnel, the_client_breaks_off_and_had_not_read)
{
	open_tunnel();
	ws.room = 1;
	put("hello");
	ws_end(&ws, 1006);
	cr_assert_eq(errors("websocket_write_error"), 1);
	cr_assert_eq(all_errors(), 1);
}

Test(ws_tunnel, nobody_serves_it)
{
	host.carry_error = -ENOENT;
	cr_assert_eq(ws_open(&ws, TUNNEL), -ENOENT);
	cr_assert_eq(errors("websocket_accept_failed"), 1);
	cr_assert_eq(metric("wsproxy_active_connections{}"), 0);
}

Test(ws_tunnel, none_is_taken_any_more)
{
	nbs_plugin_entry.drain(host.self);
	cr_assert_eq(ws_open(&ws, TUNNEL), -ESHUTDOWN);
}

static void *loop(void *arg)
{
	(void)arg;
	while (ws.code == 0) {
		ws_turn(&ws);
		sched_yield();
	}
	ws_end(&ws, ws.code);
	return NULL;
}

Test(ws_tunnel, a_stop_says_so)
{
	pthread_t thread;

	open_tunnel();
	pthread_create(&thread, NULL, loop, NULL);
	cr_assert_eq(nbs_plugin_entry.stop(host.self, 5000), 0);
	pthread_join(thread, NULL);
	cr_assert_eq(ws.code, 1001);
	cr_assert(ws.inner->ended);
	nbs_plugin_entry.destroy(host.self);
	plugin_begin(); /* for the end of the case */
}
