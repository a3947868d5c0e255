/* Verdicts of admission plugins: at once, later, never, too late. */
#include "registry_case.h"

#include <errno.h>

struct gate {
	int answer;
	struct nbs_admission *ask;
	unsigned asked;
};

static int admit(void *self, struct nbs_admission *ask, const char *id, size_t len,
                 const char **why)
{
	struct gate *g = self;

	(void)id;
	(void)len;
	g->asked++;
	g->ask = ask;
	*why = "not on the list";
	return g->answer;
}

static const struct nbs_admission_ops gate_ops = {.size = sizeof(gate_ops), .admit = admit};
static struct gate first, second;

static void open_with_gates(void)
{
	registry_case_open();
	first = second = (struct gate){0};
	cr_assert_eq(registry_add_admission(rc.registry, &gate_ops, &first), 0);
	cr_assert_eq(registry_add_admission(rc.registry, &gate_ops, &second), 0);
	cr_assert_eq(registry_add_admission(rc.registry, &gate_ops, &second), -EEXIST);
}

TestSuite(admission, .init = open_with_gates, .fini = registry_case_close);

Test(admission, all_must_admit)
{
	struct transport a;

	join(&a, "a");
	cr_assert_eq(first.asked, 1);
	cr_assert_eq(second.asked, 1);
	leave(&a);
}

Test(admission, a_refusal_says_why_and_leaves_the_holder_alone)
{
	struct transport a, b;

	join(&a, "a");
	second.answer = -EACCES;
	cr_assert_eq(try_join(&b, "a"), 0);
	cr_assert_eq(b.verdict, -EACCES);
	cr_assert_str_eq(b.why, "not on the list");
	cr_assert_eq(a.hangups, 0);
	cr_assert_eq(metric("registrations_refused_total", "reason=\"admission\""), 1);
	cr_assert_eq(metric("registration_failures_total", "error=\"failed_registration\""), 1);
	leave(&b);
	cr_assert_eq(send_text("a", "x"), 0);
	expect_text(&a, "x");
	leave(&a);
}

Test(admission, later_and_the_next_one_is_asked_then)
{
	struct transport a;

	first.answer = -EINPROGRESS;
	cr_assert_eq(try_join(&a, "a"), 0);
	cr_assert_eq(a.registered, 0);
	cr_assert_eq(second.asked, 0);
	cr_assert_eq(send_text("a", "x"), -ENOENT, "not registered yet");
	registry_admission_decide(first.ask, 0, NULL);
	cr_assert_eq(second.asked, 1);
	cr_assert_eq(a.registered, 1);
	cr_assert_eq(a.verdict, 0);
	leave(&a);
}

Test(admission, later_no)
{
	struct transport a;

	second.answer = -EINPROGRESS;
	cr_assert_eq(try_join(&a, "a"), 0);
	registry_admission_decide(second.ask, -EACCES, "no");
	cr_assert_eq(a.verdict, -EACCES);
	cr_assert_str_eq(a.why, "no");
	leave(&a);
}

Test(admission, never_is_a_timeout_and_too_late_is_nothing)
{
	struct transport a;

	first.answer = -EINPROGRESS;
	cr_assert_eq(try_join(&a, "a"), 0);
	tick_after(9000);
	cr_assert_eq(a.registered, 0);
	tick_after(10001);
	cr_assert_eq(a.verdict, -ETIMEDOUT);
	cr_assert_eq(metric("registrations_refused_total", "reason=\"admission_timeout\""), 1);
	registry_admission_decide(first.ask, 0, NULL);
	cr_assert_eq(a.registered, 1, "one verdict only");
	leave(&a);
}

Test(admission, the_peer_may_leave_before_the_verdict)
{
	struct transport a;

	first.answer = -EINPROGRESS;
	cr_assert_eq(try_join(&a, "a"), 0);
	leave(&a);
	registry_admission_decide(first.ask, 0, NULL);
	cr_assert_eq(a.registered, 0);
	cr_assert_eq(send_text("a", "x"), -ENOENT);
	cr_assert_eq(metric("active_peers", ""), 0);
}

Test(admission, a_stop_decides_what_is_open)
{
	struct transport a;

	first.answer = -EINPROGRESS;
	cr_assert_eq(try_join(&a, "a"), 0);
	registry_stop(rc.registry);
	cr_assert_eq(a.verdict, -ESHUTDOWN);
	registry_admission_decide(first.ask, 0, NULL);
	leave(&a);
}

Test(admission, a_shutdown_is_no_timeout)
{
	struct transport a;

	first.answer = -EINPROGRESS;
	cr_assert_eq(try_join(&a, "a"), 0);
	registry_stop(rc.registry);
	cr_assert_eq(a.verdict, -ESHUTDOWN);
	cr_assert_eq(metric("registrations_refused_total", "reason=\"admission_timeout\""), 0);
	registry_admission_decide(first.ask, 0, NULL);
	leave(&a);
}
