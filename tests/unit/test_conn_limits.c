/* Connection limits. */
#include "conn_limits.h"

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

static struct conn_limits *limits;
static unsigned rooms;

static void room(void *arg)
{
	(*(unsigned *)arg)++;
}

static void set_up(void)
{
	rooms = 0;
	cr_assert_eq(conn_limits_open(&limits, room, &rooms), 0);
	conn_limits_configure(limits, 2, 2, 4);
}

static void tear_down(void)
{
	conn_limits_close(limits);
}

TestSuite(limits, .init = set_up, .fini = tear_down);

static int address(int (*fn)(struct conn_limits *, const struct sockaddr *), const char *text)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return fn(limits, (struct sockaddr *)&v4);
	cr_assert_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return fn(limits, (struct sockaddr *)&v6);
}

static int enter(const char *text)
{
	return address(conn_limits_address_enter, text);
}

static int leave_fn(struct conn_limits *l, const struct sockaddr *sa)
{
	conn_limits_address_leave(l, sa);
	return 0;
}

static void leave(const char *text)
{
	address(leave_fn, text);
}

Test(limits, the_total_is_a_bound)
{
	cr_assert(conn_limits_enter(limits, false));
	cr_assert(conn_limits_enter(limits, false));
	cr_assert_not(conn_limits_enter(limits, false));
	conn_limits_leave(limits);
	cr_assert(conn_limits_enter(limits, false));
	cr_assert_eq(conn_limits_count(limits), 2);
}

Test(limits, admin_connections_have_a_reserve)
{
	cr_assert(conn_limits_enter(limits, false));
	cr_assert(conn_limits_enter(limits, false));
	for (unsigned i = 0; i < CONN_LIMITS_ADMIN_RESERVE; i++)
		cr_assert(conn_limits_enter(limits, true));
	cr_assert_not(conn_limits_enter(limits, true));
}

Test(limits, room_is_told_once_after_starving)
{
	cr_assert(conn_limits_enter(limits, false));
	cr_assert(conn_limits_enter(limits, false));
	conn_limits_leave(limits);
	cr_assert_eq(rooms, 0, "nobody starved");
	conn_limits_starve(limits);
	conn_limits_leave(limits);
	cr_assert_eq(rooms, 1);
	conn_limits_starve(limits);
	conn_limits_configure(limits, 10, 0, 20);
	cr_assert_eq(rooms, 2, "a higher limit is room, too");
}

Test(limits, per_address)
{
	cr_assert_eq(enter("192.0.2.1"), 0);
	cr_assert_eq(enter("192.0.2.1"), 0);
	cr_assert_eq(enter("192.0.2.1"), -EUSERS);
	cr_assert_eq(enter("192.0.2.2"), 0);
	leave("192.0.2.1");
	cr_assert_eq(enter("192.0.2.1"), 0);
}

Test(limits, mapped_ipv4_is_ipv4)
{
	cr_assert_eq(enter("192.0.2.1"), 0);
	cr_assert_eq(enter("::ffff:192.0.2.1"), 0);
	cr_assert_eq(enter("192.0.2.1"), -EUSERS);
}

Test(limits, ipv6_counts_by_64)
{
	cr_assert_eq(enter("2001:db8:1:2::1"), 0);
	cr_assert_eq(enter("2001:db8:1:2:ffff::9"), 0);
	cr_assert_eq(enter("2001:db8:1:2:1:2:3:4"), -EUSERS);
	cr_assert_eq(enter("2001:db8:1:3::1"), 0);
}

Test(limits, an_ipv6_network_is_no_ipv4_address)
{
	cr_assert_eq(enter("32.1.13.184"), 0); /* the first bytes of 2001:db8::/64 */
	cr_assert_eq(enter("32.1.13.184"), 0);
	cr_assert_eq(enter("2001:db8::1"), 0);
}

Test(limits, many_addresses)
{
	char text[32];

	for (unsigned i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
		cr_assert_eq(enter(text), 0);
		cr_assert_eq(enter(text), 0);
		cr_assert_eq(enter(text), -EUSERS);
	}
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
		leave(text);
		cr_assert_eq(enter(text), 0);
	}
}

Test(limits, descriptors_are_a_bound_of_their_own)
{
	conn_limits_configure(limits, 10, 0, 6);
	cr_assert(conn_limits_enter(limits, false));
	cr_assert(conn_limits_take_descriptors(limits, 2, false));
	cr_assert(conn_limits_enter(limits, false));
	cr_assert_not(conn_limits_enter(limits, false));
	cr_assert_not(conn_limits_take_descriptors(limits, 1, false));
	cr_assert_eq(conn_limits_count(limits), 2);
	cr_assert(conn_limits_enter(limits, true));
	cr_assert(conn_limits_take_descriptors(limits, 2, true));
	conn_limits_give_descriptors(limits, 2);
	conn_limits_leave(limits);
	conn_limits_starve(limits);
	conn_limits_give_descriptors(limits, 2);
	cr_assert_eq(rooms, 1);
	cr_assert(conn_limits_enter(limits, false));
}
