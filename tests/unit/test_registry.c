/* Leases, replacement, grace, stall, back-pressure. */
#include "registry_case.h"

#include <errno.h>

TestSuite(registry, .init = registry_case_open, .fini = registry_case_close);

Test(registry, a_message_wakes_once_and_again_after_empty)
{
	struct transport a;

	join(&a, "a");
	cr_assert_eq(send_text("a", "1"), 0);
	cr_assert_eq(send_text("a", "2"), 0);
	cr_assert_eq(a.wakes, 1);
	expect_text(&a, "1");
	cr_assert_eq(send_text("a", "3"), 0);
	cr_assert_eq(a.wakes, 1, "peer_take() has not returned NULL yet");
	expect_text(&a, "2");
	expect_text(&a, "3");
	expect_nothing(&a);
	cr_assert_eq(send_text("a", "4"), 0);
	cr_assert_eq(a.wakes, 2);
	expect_text(&a, "4");
	leave(&a);
	cr_assert_eq(metric("messages_forwarded_total", ""), 4);
	cr_assert_eq(metric("message_forward_latency_milliseconds", "type=\"stream\""), 4);
}

Test(registry, bad_ids_are_refused)
{
	char long_id[NBS_ID_MAX + 2] = "";
	struct transport a;

	cr_assert_eq(try_join(&a, ""), -EINVAL);
	memset(long_id, 'x', NBS_ID_MAX + 1);
	cr_assert_eq(try_join(&a, long_id), -ENAMETOOLONG);
	cr_assert_eq(metric("registration_failures_total", "error=\"failed_registration\""), 1);
	long_id[NBS_ID_MAX] = '\0';
	join(&a, long_id);
	leave(&a);
}

Test(registry, the_newest_wins_and_a_late_end_changes_nothing)
{
	struct transport old, new;

	join(&old, "a");
	join(&new, "a");
	cr_assert_eq(old.hangups, 1);
	cr_assert_eq(old.reason, NBS_REPLACED);
	cr_assert_eq(metric("active_peers", ""), 1);
	leave(&old);
	cr_assert_eq(send_text("a", "x"), 0);
	expect_text(&new, "x");
	cr_assert_eq(metric("active_peers", ""), 1);
	cr_assert_eq(metric("registrations_total", ""), 1);
	cr_assert_eq(metric("deregistrations_total", ""), 0);
	cr_assert_eq(metric("peer_replacements_total", ""), 1);
	leave(&new);
	cr_assert_eq(metric("active_peers", ""), 0);
	cr_assert_eq(metric("deregistrations_total", ""), 1);
	cr_assert_eq(metric("peer_connection_duration_seconds", ""), 2);
}

Test(registry, a_replaced_lease_hands_its_mailbox_over_at_once)
{
	struct transport old, new;

	join(&old, "a");
	cr_assert_eq(send_text("a", "1"), 0);
	cr_assert_eq(send_text("a", "2"), 0);
	expect_text(&old, "1");
	join(&new, "a");
	expect_nothing(&old);
	cr_assert_eq(new.wakes, 1);
	cr_assert_eq(send_text("a", "3"), 0);
	expect_text(&new, "2");
	expect_text(&new, "3");
	leave(&old);
	leave(&new);
}

Test(registry, grace_keeps_messages_in_order_for_the_next_lease)
{
	struct transport a;

	join(&a, "a");
	cr_assert_eq(send_text("a", "1"), 0);
	leave(&a);
	cr_assert_eq(send_text("a", "2"), 0);
	tick_after(4000);
	cr_assert_eq(metric("peers_in_grace", ""), 1);
	cr_assert_eq(metric("mailbox_messages", ""), 2);
	join(&a, "a");
	cr_assert_eq(a.wakes, 1);
	expect_text(&a, "1");
	expect_text(&a, "2");
	expect_nothing(&a);
	tick_after(0);
	cr_assert_eq(metric("peers_in_grace", ""), 0);
	cr_assert_eq(metric("mailbox_bytes", ""), 0);
	cr_assert_eq(metric("registrations_total", ""), 2);
	cr_assert_eq(failures("not_connected"), 0);
	leave(&a);
}

Test(registry, the_end_of_grace_counts_not_connected)
{
	struct transport a;

	join(&a, "a");
	leave(&a);
	cr_assert_eq(send_text("a", "1"), 0);
	cr_assert_eq(send_text("a", "2"), 0);
	tick_after(5001);
	cr_assert_eq(failures("not_connected"), 2);
	cr_assert_eq(send_text("a", "3"), -ENOENT);
	cr_assert_eq(failures("not_connected"), 3);
	tick_after(5001);
	cr_assert_eq(metric("peers_in_grace", ""), 0);
}

Test(registry, without_grace_the_id_is_free_at_once)
{
	struct registry_settings settings = default_settings;
	struct transport a;

	settings.grace_period = 0;
	registry_configure(rc.registry, &settings);
	join(&a, "a");
	cr_assert_eq(send_text("a", "1"), 0);
	leave(&a);
	cr_assert_eq(failures("disconnected"), 1);
	cr_assert_eq(send_text("a", "2"), -ENOENT);
}

Test(registry, overflow_drops_the_oldest_and_says_so)
{
	struct transport a;

	join(&a, "a");
	for (char text[2] = "1"; *text <= '6'; (*text)++)
		cr_assert_eq(send_text("a", text), 0);
	cr_assert_eq(failures("error"), 2);
	cr_assert_eq(metric("mailbox_dropped_messages_total", "reason=\"mailbox_full\""), 2);
	expect_text(&a, "3");
	leave(&a);
}

Test(registry, the_budget_of_all_bounds_the_sum)
{
	struct registry_settings settings = default_settings;
	struct transport a, b;

	settings.mailbox_total_bytes = 1;
	join(&a, "a");
	join(&b, "b");
	cr_assert_eq(send_text("a", "1"), 0);
	registry_configure(rc.registry, &settings);
	cr_assert_eq(send_text("b", "1"), -ENOBUFS);
	cr_assert_eq(metric("mailbox_dropped_messages_total", "reason=\"budget_full\""), 1);
	leave(&a);
	leave(&b);
}

Test(registry, a_peer_that_takes_nothing_is_cut_off)
{
	struct transport a;

	join(&a, "a");
	tick_after(20000);
	cr_assert_eq(a.hangups, 0, "an empty mailbox is no stall");
	cr_assert_eq(send_text("a", "1"), 0);
	tick_after(9000);
	cr_assert_eq(a.hangups, 0);
	tick_after(10001);
	cr_assert_eq(a.hangups, 1);
	cr_assert_eq(a.reason, NBS_STALLED);
	tick_after(30000);
	cr_assert_eq(a.hangups, 1, "at most once");
	leave(&a);
	cr_assert_eq(metric("peers_stalled_total", ""), 1);
	tick_after(5001);
	cr_assert_eq(failures("timeout"), 1);
}

Test(registry, overflow_is_no_progress)
{
	struct registry_settings settings = default_settings;
	struct transport a;
	uint64_t begin;

	settings.mailbox_messages = 1;
	registry_configure(rc.registry, &settings);
	join(&a, "a");
	begin = clock_ms();
	cr_assert_eq(send_text("a", "1"), 0);
	while (clock_ms() < begin + 5)
		;
	cr_assert_eq(send_text("a", "2"), 0);
	registry_tick(rc.registry, begin + 10003);
	cr_assert_eq(a.hangups, 1, "the first message has waited for longer than send-timeout");
	leave(&a);
}

Test(registry, taking_is_progress)
{
	struct transport a;
	uint64_t begin = clock_ms();

	join(&a, "a");
	cr_assert_eq(send_text("a", "1"), 0);
	cr_assert_eq(send_text("a", "2"), 0);
	while (clock_ms() < begin + 5)
		;
	expect_text(&a, "1");
	registry_tick(rc.registry, begin + 10003);
	cr_assert_eq(a.hangups, 0);
	leave(&a);
}

Test(registry, replacements_of_an_id_are_rate_limited)
{
	struct transport first, more[4];

	join(&first, "a");
	for (unsigned i = 0; i < 3; i++)
		join(&more[i], "a");
	cr_assert_eq(try_join(&more[3], "a"), 0);
	cr_assert_eq(more[3].verdict, -EAGAIN);
	cr_assert_eq(more[2].hangups, 0, "the holder stays");
	cr_assert_eq(metric("registrations_refused_total", "reason=\"replaced_too_often\""), 1);
	leave(&more[3]);
	leave(&first);
	for (unsigned i = 0; i < 3; i++)
		leave(&more[i]);
	join(&first, "a");
	leave(&first);
}

Test(registry, a_callback_may_give_its_own_lease_back)
{
	struct transport old, new;

	join(&old, "a");
	old.deregister_in_callback = true;
	join(&new, "a");
	cr_assert_eq(old.hangups, 1);
	leave(&new);
}

Test(registry, stopping_hangs_everybody_up_and_admits_nobody)
{
	struct transport peers[100], late;
	char id[8];

	for (unsigned i = 0; i < 100; i++) {
		snprintf(id, sizeof(id), "p%u", i);
		join(&peers[i], id);
	}
	cr_assert_eq(send_text("p7", "last"), 0);
	registry_stop(rc.registry);
	cr_assert_eq(try_join(&late, "late"), -ESHUTDOWN);
	expect_text(&peers[7], "last");
	for (unsigned i = 0; i < 100; i++) {
		cr_assert_eq(peers[i].hangups, 1);
		cr_assert_eq(peers[i].reason, NBS_STOPPING);
		leave(&peers[i]);
	}
	cr_assert_eq(metric("active_peers", ""), 0);
}

Test(registry, many_ids_come_and_go)
{
	static struct transport peers[20000];
	char id[16];

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(id, sizeof(id), "peer-%u", i);
		join(&peers[i], id);
	}
	for (unsigned i = 0; i < 20000; i += 7) {
		snprintf(id, sizeof(id), "peer-%u", i);
		cr_assert_eq(send_text(id, id), 0);
		expect_text(&peers[i], id);
	}
	for (unsigned i = 0; i < 20000; i++)
		leave(&peers[i]);
	tick_after(5001);
	cr_assert_eq(send_text("peer-1", "x"), -ENOENT);
	cr_assert_eq(metric("active_peers", ""), 0);
}

Test(registry, a_shorter_grace_period_counts_from_now_on)
{
	struct registry_settings shorter = default_settings;
	struct transport a, b;

	join(&a, "a");
	join(&b, "b");
	leave(&a);
	shorter.grace_period = 1000;
	registry_configure(rc.registry, &shorter);
	leave(&b);
	cr_assert_eq(send_text("b", "x"), 0);
	tick_after(2000);
	cr_assert_eq(send_text("a", "x"), 0, "it left with the longer one");
	cr_assert_eq(send_text("b", "x"), -ENOENT);
}
