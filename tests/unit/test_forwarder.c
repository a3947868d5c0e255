/* What becomes of a message: delivered, routed, absent, refused. */
#include "registry_case.h"

#include <errno.h>

TestSuite(forwarder, .init = registry_case_open, .fini = registry_case_close);

static int forward_bytes(const void *bytes, size_t len, unsigned flags)
{
	const struct iovec piece = {(void *)bytes, len};

	return forwarder_forward(rc.forwarder, &piece, 1, flags);
}

Test(forwarder, the_bytes_arrive_as_they_came)
{
	static const unsigned char wire[] = "\x12\x01s\x1a\x01r\x22\x02hi\xfa\x01\x03new";
	struct transport r;
	struct message *msg;

	join(&r, "r");
	cr_assert_eq(forward_bytes(wire, sizeof(wire) - 1, 0), 0);
	msg = registry_take(r.lease);
	cr_assert_eq(msg->pub.len, sizeof(wire) - 1);
	cr_assert_arr_eq(msg->pub.wire, wire, sizeof(wire) - 1);
	cr_assert_arr_eq(msg->pub.from, "s", 1);
	message_unref(msg);
	leave(&r);
	cr_assert_eq(metric("message_size_bytes", "type=\"message\""), 1);
}

Test(forwarder, to_itself)
{
	struct transport a;

	join(&a, "a");
	cr_assert_eq(send_text("a", "probe"), 0);
	expect_text(&a, "probe");
	leave(&a);
}

Test(forwarder, absent_is_counted_but_the_status_probe_is_not)
{
	cr_assert_eq(send_text("nobody", "x"), -ENOENT);
	cr_assert_eq(send_text("", "x"), -ENOENT);
	cr_assert_eq(failures("not_connected"), 2);
	cr_assert_eq(send_text("dummy", "x"), -ENOENT);
	cr_assert_eq(failures("not_connected"), 2);
}

Test(forwarder, refusals_are_counted)
{
	static const char huge[5000];

	cr_assert_eq(forward_bytes("\xff", 1, 0), -EBADMSG);
	cr_assert_eq(forward_bytes(huge, sizeof(huge), 0), -EMSGSIZE);
	cr_assert_eq(metric("messages_refused_total", "reason=\"malformed\""), 1);
	cr_assert_eq(metric("messages_refused_total", "reason=\"too_large\""), 1);
}

static int route(void *self, struct nbs_msg *msg)
{
	(*(unsigned *)self)++;
	return msg->to_len > 0 && msg->to[0] == 'x' ? 0 : -ENOENT;
}

Test(forwarder, a_router_is_asked_for_who_is_not_here)
{
	static const struct nbs_router_ops ops = {.size = sizeof(ops), .route = route};
	unsigned asked = 0;
	struct transport here;

	cr_assert_eq(forwarder_set_router(rc.forwarder, &ops, &asked), 0);
	cr_assert_eq(forwarder_set_router(rc.forwarder, &ops, &asked), -EEXIST);
	join(&here, "xhere");
	cr_assert_eq(send_text("xhere", "1"), 0);
	cr_assert_eq(asked, 0);
	cr_assert_eq(send_text("xaway", "1"), 0);
	cr_assert_eq(send_text("other", "1"), -ENOENT);
	cr_assert_eq(asked, 2);
	cr_assert_eq(forward_bytes("\x1a\x01x", 3, NBS_LOCAL_ONLY), -ENOENT);
	cr_assert_eq(asked, 2);
	cr_assert_eq(metric("messages_routed_total", ""), 1);
	leave(&here);
}
