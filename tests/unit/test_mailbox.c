/* Bounds, order and accounting of mailboxes. */
#include "mailbox.h"

#include "message.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

static struct mailbox_budget budget;
static struct mailbox box;
static struct mailbox_dropped dropped;
static const struct mailbox_bounds wide = {1000, 1 << 20};

static void set_up(void)
{
	budget.max = 1 << 20;
}

TestSuite(mailbox, .init = set_up);

/* A message whose body is `len` bytes, the first of which is its number. */
static struct message *message(unsigned char number, size_t len)
{
	static unsigned char wire[4096];
	const struct iovec piece = {wire, len + 3};
	struct message *msg;

	wire[0] = 0x22;
	wire[1] = (unsigned char)((len & 0x7f) | 0x80);
	wire[2] = (unsigned char)(len >> 7);
	memset(wire + 3, number, len);
	cr_assert_eq(message_new(&msg, &piece, 1, sizeof(wire)), 0);
	return msg;
}

static void push(const struct mailbox_bounds *bounds, unsigned char number, size_t len)
{
	cr_assert_eq(mailbox_push(&box, bounds, &budget, message(number, len), &dropped), 0);
}

static void expect_next(unsigned char number)
{
	struct message *msg = mailbox_pop(&box, &budget);

	cr_assert_not_null(msg);
	cr_assert_eq(msg->bytes[3], number);
	message_unref(msg);
}

static void expect_empty(void)
{
	cr_assert_null(mailbox_pop(&box, &budget));
	cr_assert_eq(box.count, 0);
	cr_assert_eq(box.bytes, 0);
	cr_assert_eq(budget.used, 0);
	cr_assert_eq(budget.messages, 0);
}

Test(mailbox, keeps_order)
{
	push(&wide, 1, 10);
	push(&wide, 2, 10);
	push(&wide, 3, 10);
	for (unsigned char i = 1; i <= 3; i++)
		expect_next(i);
	expect_empty();
	cr_assert_null(dropped.first);
}

Test(mailbox, too_many_messages_drop_the_oldest)
{
	const struct mailbox_bounds two = {2, 1 << 20};

	for (unsigned char i = 1; i <= 4; i++)
		push(&two, i, 10);
	cr_assert_eq(dropped.overflow, 2);
	cr_assert_eq(dropped.budget, 0);
	cr_assert_eq(mailbox_free_dropped(&dropped), 2);
	expect_next(3);
	expect_next(4);
	expect_empty();
}

Test(mailbox, too_many_bytes_drop_as_many_as_needed)
{
	const struct mailbox_bounds bytes = {1000, 3 * (sizeof(struct message) + 103)};

	push(&bytes, 1, 100);
	push(&bytes, 2, 100);
	push(&bytes, 3, 100);
	push(&bytes, 4, 150);
	cr_assert_eq(dropped.overflow, 2);
	mailbox_free_dropped(&dropped);
	expect_next(3);
	expect_next(4);
	expect_empty();
}

Test(mailbox, a_lone_message_always_fits)
{
	const struct mailbox_bounds tiny = {1, 10};

	push(&tiny, 1, 3000);
	cr_assert_null(dropped.first);
	push(&tiny, 2, 3000);
	cr_assert_eq(dropped.overflow, 1);
	mailbox_free_dropped(&dropped);
	expect_next(2);
	expect_empty();
}

Test(mailbox, budget_drops_the_receivers_own_oldest)
{
	budget.max = 2 * (sizeof(struct message) + 103);
	push(&wide, 1, 100);
	push(&wide, 2, 100);
	push(&wide, 3, 100);
	cr_assert_eq(dropped.budget, 1);
	mailbox_free_dropped(&dropped);
	expect_next(2);
	expect_next(3);
	expect_empty();
}

Test(mailbox, budget_used_by_others_refuses_the_new_message)
{
	struct mailbox other = {0};
	struct message *msg = message(2, 100);

	budget.max = sizeof(struct message) + 103;
	cr_assert_eq(mailbox_push(&other, &wide, &budget, message(1, 100), &dropped), 0);
	cr_assert_eq(mailbox_push(&box, &wide, &budget, msg, &dropped), -ENOBUFS);
	message_unref(msg); /* it stayed ours */
	message_unref(mailbox_pop(&other, &budget));
	expect_empty();
}

Test(mailbox, moving_keeps_order_and_accounting)
{
	struct mailbox old = {0};

	cr_assert_eq(mailbox_push(&old, &wide, &budget, message(2, 10), &dropped), 0);
	cr_assert_eq(mailbox_push(&old, &wide, &budget, message(3, 10), &dropped), 0);
	push(&wide, 1, 10);
	mailbox_move(&box, &old);
	cr_assert_eq(old.count, 0);
	cr_assert_null(old.oldest);
	for (unsigned char i = 1; i <= 3; i++)
		expect_next(i);
	expect_empty();
}

Test(mailbox, messages_are_gathered_and_bounded)
{
	char first[] = "\x1a\x04pe", last[] = "er";
	const struct iovec pieces[] = {{first, 4}, {NULL, 0}, {last, 2}};
	struct message *msg;

	cr_assert_eq(message_new(&msg, pieces, 3, 6), 0);
	cr_assert_eq(msg->pub.len, 6);
	cr_assert_arr_eq(msg->pub.wire, "\x1a\x04peer", 6);
	cr_assert_arr_eq(msg->pub.to, "peer", 4);
	message_unref(msg);
	cr_assert_eq(message_new(&msg, pieces, 3, 5), -EMSGSIZE);
	cr_assert_eq(message_new(&msg, pieces, 1, 6), -EBADMSG);
}
