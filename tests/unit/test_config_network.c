/*
 * Networks: which texts are some, and what is inside them.
 */
#include "config_case.h"
#include "config_network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

static bool contains(const char *network, const char *address)
{
	struct sockaddr_storage sa = {0};
	struct config_network net;
	const char *expected;

	cr_assert_eq(config_network_parse(&net, network, strlen(network), &expected), 0, "%s: %s",
	             network, expected);
	cr_expect_null(expected);
	if (inet_pton(AF_INET, address, &((struct sockaddr_in *)&sa)->sin_addr) == 1)
		sa.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, address, &((struct sockaddr_in6 *)&sa)->sin6_addr) == 1)
		sa.ss_family = AF_INET6;
	else
		cr_assert(false, "%s", address);
	return config_network_contains(&net, (const struct sockaddr *)&sa);
}

Test(config_network, an_address_alone)
{
	cr_expect(contains("192.0.2.1", "192.0.2.1"));
	cr_expect_not(contains("192.0.2.1", "192.0.2.0"));
	cr_expect_not(contains("192.0.2.1", "193.0.2.1"));
	cr_expect(contains("2001:db8::1", "2001:db8::1"));
	cr_expect_not(contains("2001:db8::1", "2001:db8::2"));
	cr_expect_not(contains("2001:db8::1", "2001:db9::1"));
}

Test(config_network, ends_of_prefixes)
{
	cr_expect(contains("10.0.0.0/8", "10.0.0.0"));
	cr_expect(contains("10.0.0.0/8", "10.255.255.255"));
	cr_expect_not(contains("10.0.0.0/8", "9.255.255.255"));
	cr_expect_not(contains("10.0.0.0/8", "11.0.0.0"));
	cr_expect(contains("192.0.2.128/25", "192.0.2.128"));
	cr_expect(contains("192.0.2.128/25", "192.0.2.255"));
	cr_expect_not(contains("192.0.2.128/25", "192.0.2.127"));
	cr_expect(contains("192.0.2.4/31", "192.0.2.5"));
	cr_expect_not(contains("192.0.2.4/31", "192.0.2.6"));
	cr_expect(contains("2001:db8::/33", "2001:db8:7fff::"));
	cr_expect_not(contains("2001:db8::/33", "2001:db8:8000::"));
	cr_expect(contains("2001:db8::/127", "2001:db8::1"));
	cr_expect_not(contains("2001:db8::/127", "2001:db8::2"));
	cr_expect(contains("128.0.0.0/1", "255.255.255.255"));
	cr_expect_not(contains("128.0.0.0/1", "127.255.255.255"));
}

Test(config_network, everything_of_one_family)
{
	cr_expect(contains("0.0.0.0/0", "0.0.0.0"));
	cr_expect(contains("0.0.0.0/0", "255.255.255.255"));
	cr_expect(contains("0.0.0.0/0", "::ffff:255.255.255.255"));
	cr_expect_not(contains("0.0.0.0/0", "::1"));
	cr_expect(contains("::/0", "::"));
	cr_expect(contains("::/0", "ffff::"));
	cr_expect_not(contains("::/0", "192.0.2.1"));
	cr_expect_not(contains("::/0", "::ffff:192.0.2.1"));
}

Test(config_network, ipv4_in_ipv6_is_ipv4)
{
	cr_expect(contains("192.0.2.0/24", "::ffff:192.0.2.77"));
	cr_expect_not(contains("192.0.2.0/24", "::ffff:192.0.3.77"));
	cr_expect_not(contains("192.0.2.0/24", "::fffe:192.0.2.77"));
	cr_expect_not(contains("192.0.2.0/24", "::192.0.2.77"));
	cr_expect(contains("::ffff:192.0.2.0/120", "192.0.2.77"));
	cr_expect(contains("::ffff:192.0.2.1", "::ffff:192.0.2.1"));
	cr_expect_not(contains("::ffff:192.0.2.0/120", "192.0.3.1"));
	cr_expect(contains("::ffff:0:0/96", "192.0.3.1"));
	cr_expect_not(contains("::ffff:0:0/96", "2001:db8::1"));
}

Test(config_network, other_families_are_nowhere)
{
	static const char *const all[] = {"0.0.0.0/0", "::/0"};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr_storage unspec = {.ss_family = AF_UNSPEC};
	struct config_network net;
	const char *expected;
	size_t i;

	for (i = 0; i < 2; i++) {
		cr_assert_eq(config_network_parse(&net, all[i], strlen(all[i]), &expected), 0);
		cr_expect_not(config_network_contains(&net, (const struct sockaddr *)&un));
		cr_expect_not(config_network_contains(&net, (const struct sockaddr *)&unspec));
	}
}

Test(config_network, only_so_much_of_the_text_is_looked_at)
{
	struct config_network net;
	const char *expected;

	cr_assert_eq(config_network_parse(&net, "192.0.2.1, 192.0.2.2", 9, &expected), 0);
	cr_expect_eq(net.prefix, 32);
}

#define ADDRESS "an address or a network, such as"

Test(config_network, texts_that_are_none)
{
	static const char *const bad[][2] = {
	    {"localhost", ADDRESS},
	    {"*", ADDRESS},
	    {"10.0.0", ADDRESS},
	    {"10", ADDRESS},
	    {"010.0.0.1", ADDRESS},
	    {"10.0.0.256", ADDRESS},
	    {"10.0.0.1:80", ADDRESS},
	    {"10.0.0.1 10.0.0.2", ADDRESS},
	    {"[::1]", ADDRESS},
	    {"::g", ADDRESS},
	    {"fe80::1%lo", ADDRESS},
	    {"/8", ADDRESS},
	    {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee:ffff", ADDRESS},
	    {"127.0.0.1,", ADDRESS},
	    {"127.0.0.1,,::1", ADDRESS},
	    {"10.0.0.0/33", "a prefix from 0 to 32"},
	    {"10.0.0.0/", "a prefix from 0 to 32"},
	    {"10.0.0.0/-1", "a prefix from 0 to 32"},
	    {"10.0.0.0/8/8", "a prefix from 0 to 32"},
	    {"10.0.0.0/255.0.0.0", "a prefix from 0 to 32"},
	    {"10.0.0.0/ 8", "a prefix from 0 to 32"},
	    {"2001:db8::/129", "a prefix from 0 to 128"},
	    {"10.0.0.1/8", "a network with zeroes behind its prefix"},
	    {"10.0.0.0/6", "a network with zeroes behind its prefix"},
	    {"2001:db8::1/64", "a network with zeroes behind its prefix"},
	    {"::ffff:192.0.2.1/120", "a network with zeroes behind its prefix"},
	};
	char text[256], line[256];
	struct config *cfg;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
		         "[listener signal]\nproxy-protocol = required\ntrusted-proxies = %s\n",
		         bad[i][0]);
		cr_expect_lt(case_bytes(&cfg, text, strlen(text)), 0, "accepted %s", bad[i][0]);
		snprintf(line, sizeof(line), ":3: [listener signal] trusted-proxies: expected %s",
		         bad[i][1]);
		cr_expect(strstr(case_said, line), "%s: got %s", bad[i][0], case_said);
	}
}

Test(config_network, a_list)
{
	struct config *cfg = case_good("[listener signal]\nproxy-protocol = required\n"
	                               "trusted-proxies = 127.0.0.1 ,\t10.0.0.0/8,2001:db8::/32\n");
	const struct config_listener *l = &cfg->listeners[0];

	cr_expect(l->proxy_protocol);
	cr_assert_eq(l->n_trusted, 3);
	cr_expect_eq(l->trusted[0].family, AF_INET);
	cr_expect_eq(l->trusted[0].prefix, 32);
	cr_expect_eq(l->trusted[1].prefix, 8);
	cr_expect_eq(l->trusted[1].bytes[0], 10);
	cr_expect_eq(l->trusted[2].family, AF_INET6);
	cr_expect_eq(l->trusted[2].prefix, 32);
	config_free(cfg);
}

Test(config_network, a_wrong_one_in_a_list_is_named_alone)
{
	case_bad("[listener signal]\nproxy-protocol = required\n"
	         "trusted-proxies = 127.0.0.1, ten, ::1\n",
	         "3: [listener signal] trusted-proxies: expected an address or a network, such as "
	         "192.0.2.1 or 2001:db8::/32, got \"ten\"");
}
