/*
 * Listeners of plugins: what is refused, with which words, and what is left of them beside a
 * configuration.
 */
#include "config_case.h"
#include "declared.h"

#include <errno.h>

static struct declared *declared;

static void set_up(void)
{
	cr_redirect_stderr();
	cr_assert_eq(declared_open(&declared), 0);
}

static void tear_down(void)
{
	declared_close(declared);
}

TestSuite(declared, .init = set_up, .fini = tear_down);

static struct nbs_listener listener(const char *name, const char *addresses, unsigned classes)
{
	return (struct nbs_listener){.size = sizeof(struct nbs_listener),
	                             .name = name,
	                             .addresses = addresses,
	                             .classes = classes};
}

static int add(const char *name, const char *addresses, unsigned classes, unsigned flags)
{
	struct nbs_listener l = listener(name, addresses, classes);

	l.flags = flags;
	return declared_add(declared, "p", &l);
}

static const struct config_listener *at(size_t i)
{
	return &declared_at(declared, i)->conf;
}

/* The text of the whole of stderr, with a name in front of each line. */
static void expect_said(const char *text)
{
	fflush(stderr);
	cr_expect_stderr_eq_str(text);
}

Test(declared, nothing)
{
	struct config *cfg = case_good("");

	cr_expect_eq(declared_count(declared), 0);
	declared_settle(declared, cfg);
	declared_close(NULL);
	config_free(cfg);
}

Test(declared, one_of_each_class)
{
	cr_assert_eq(add("a", "*:1", NBS_PUBLIC, NBS_LISTENER_HTTP2), 0);
	cr_assert_eq(add("b-2", "127.0.0.1:2, [::1]:2", NBS_ADMIN, 0), 0);
	cr_assert_eq(
	    add("c_", "0.0.0.0:3", NBS_CHALLENGE, NBS_LISTENER_OPTIONAL | NBS_LISTENER_PLAINTEXT),
	    0);
	cr_assert_eq(declared_count(declared), 3);
	cr_expect_str_eq(at(0)->name, "a");
	cr_expect_str_eq(at(0)->where, "plugin p");
	cr_expect_str_eq(declared_at(declared, 0)->plugin, "p");
	cr_expect_not(declared_at(declared, 0)->optional);
	cr_expect_eq(at(0)->class, CONFIG_PUBLIC);
	cr_expect_str_eq(at(0)->http2, "");
	cr_expect_eq(at(0)->tls, CONFIG_TLS_AUTO);
	cr_assert_eq(at(0)->n_addresses, 1);
	cr_expect(at(0)->addresses[0].any);
	cr_expect_eq(at(1)->class, CONFIG_ADMIN);
	cr_expect_str_eq(at(1)->http2, CONFIG_HTTP2_OFF);
	cr_assert_eq(at(1)->n_addresses, 2);
	cr_expect_str_eq(at(1)->addresses[1].text, "[::1]:2");
	cr_expect_eq(at(2)->class, CONFIG_CHALLENGE);
	cr_expect_str_eq(at(2)->http2, CONFIG_HTTP2_OFF);
	cr_expect_eq(at(2)->tls, CONFIG_TLS_OFF);
	cr_expect(declared_at(declared, 2)->optional);
	expect_said("");
}

/* What the plugin gave is its own again. */
Test(declared, everything_is_copied)
{
	char name[] = "a", addresses[] = "127.0.0.1:1", owner[] = "p";
	struct nbs_listener l = listener(name, addresses, NBS_ADMIN);

	cr_assert_eq(declared_add(declared, owner, &l), 0);
	memset(name, 'x', sizeof(name));
	memset(addresses, 'x', sizeof(addresses));
	memset(owner, 'x', sizeof(owner));
	cr_expect_str_eq(at(0)->name, "a");
	cr_expect_str_eq(at(0)->where, "plugin p");
	cr_expect_str_eq(at(0)->addresses[0].text, "127.0.0.1:1");
}

#define NAME "expected a name of 1 to 31 small letters, digits, - and _\n"
#define ADDRESS "expected ADDRESS:PORT with a numeric address, such as *:10000 or [::1]:10000, got "
#define CLASS "expected one class, NBS_PUBLIC, NBS_ADMIN or NBS_CHALLENGE, got "

Test(declared, what_is_none)
{
	cr_expect_eq(add("A", "*:1", NBS_PUBLIC, 0), -EINVAL);
	cr_expect_eq(add("", "*:1", NBS_PUBLIC, 0), -EINVAL);
	cr_expect_eq(add(NULL, "*:1", NBS_PUBLIC, 0), -EINVAL);
	cr_expect_eq(add("abcdefghijklmnopqrstuvwxyz012345", "*:1", NBS_PUBLIC, 0), -EINVAL);
	cr_expect_eq(add("a", "localhost:1", NBS_PUBLIC, 0), -EINVAL);
	cr_expect_eq(add("a", "*:1,", NBS_PUBLIC, 0), -EINVAL);
	cr_expect_eq(add("a", "", NBS_PUBLIC, 0), -EINVAL);
	cr_expect_eq(add("a", NULL, NBS_PUBLIC, 0), -EINVAL);
	cr_expect_eq(add("a", "*:65536", NBS_PUBLIC, 0), -EINVAL);
	cr_expect_eq(add("a", "*:1, [::1]:1", NBS_PUBLIC, 0), -EINVAL);
	cr_expect_eq(add("a", "*:1", 0, 0), -EINVAL);
	cr_expect_eq(add("a", "*:1", NBS_PUBLIC | NBS_ADMIN, 0), -EINVAL);
	cr_expect_eq(add("a", "*:1", 8, 0), -EINVAL);
	cr_expect_eq(add("a", "*:1", NBS_PUBLIC, 8), -EINVAL);
	cr_expect_eq(add("a", "*:1", NBS_CHALLENGE, NBS_LISTENER_HTTP2), -EINVAL);
	cr_expect_eq(declared_count(declared), 0);
	expect_said(
	    "netbird-signal: plugin p: [listener A]: " NAME
	    "netbird-signal: plugin p: [listener ]: " NAME
	    "netbird-signal: plugin p: [listener ]: " NAME
	    "netbird-signal: plugin p: [listener abcdefghijklmnopqrstuvwxyz012345]: " NAME
	    "netbird-signal: plugin p: [listener a] address: " ADDRESS "\"localhost:1\"\n"
	    "netbird-signal: plugin p: [listener a] address: " ADDRESS "\"\"\n"
	    "netbird-signal: plugin p: [listener a] address: " ADDRESS "\"\"\n"
	    "netbird-signal: plugin p: [listener a] address: " ADDRESS "\"\"\n"
	    "netbird-signal: plugin p: [listener a] address: expected a port from 0 to 65535 after "
	    "the last colon, got \"*:65536\"\n"
	    "netbird-signal: plugin p: [listener a] address: expected each address once, [::1]:1 "
	    "is taken by *:1\n"
	    "netbird-signal: plugin p: [listener a]: " CLASS "0\n"
	    "netbird-signal: plugin p: [listener a]: " CLASS "0x3\n"
	    "netbird-signal: plugin p: [listener a]: " CLASS "0x8\n"
	    "netbird-signal: plugin p: [listener a]: expected flags of 0x7, got 0x8\n"
	    "netbird-signal: plugin p: [listener a]: expected no NBS_LISTENER_HTTP2 with "
	    "NBS_CHALLENGE\n");
}

Test(declared, all_faults_of_one_are_named)
{
	cr_expect_eq(add("a b", "x, y", 0, 0), -EINVAL);
	expect_said("netbird-signal: plugin p: [listener a b]: " NAME
	            "netbird-signal: plugin p: [listener a b]: " CLASS "0\n"
	            "netbird-signal: plugin p: [listener a b] address: " ADDRESS "\"x\"\n"
	            "netbird-signal: plugin p: [listener a b] address: " ADDRESS "\"y\"\n");
}

Test(declared, a_struct_that_is_too_small)
{
	struct nbs_listener l = listener("a", "*:1", NBS_PUBLIC);

	l.size = offsetof(struct nbs_listener, flags);
	cr_expect_eq(declared_add(declared, "p", &l), -EINVAL);
	expect_said("netbird-signal: plugin p: its struct nbs_listener is too small\n");
}

Test(declared, too_many_addresses)
{
	char addresses[512] = "";
	int i;

	for (i = 1; i <= CONFIG_ADDRESSES_MAX + 1; i++)
		snprintf(addresses + strlen(addresses), sizeof(addresses) - strlen(addresses),
		         "%s*:%d", i > 1 ? "," : "", i);
	cr_expect_eq(add("a", addresses, NBS_PUBLIC, 0), -EINVAL);
	expect_said("netbird-signal: plugin p: [listener a] address: expected at most 32 "
	            "addresses\n");
}

Test(declared, a_name_is_taken_once)
{
	struct nbs_listener l = listener("a", "*:2", NBS_ADMIN);

	cr_assert_eq(add("a", "*:1", NBS_PUBLIC, 0), 0);
	cr_expect_eq(declared_add(declared, "q", &l), -EEXIST);
	cr_expect_eq(declared_count(declared), 1);
	cr_expect_str_eq(at(0)->where, "plugin p");
	expect_said("netbird-signal: plugin q: [listener a]: expected a name of its own, plugin p "
	            "has it\n");
}

/* --- beside a configuration ------------------------------------------------------------------ */

static void settle(const char *text)
{
	struct config *cfg = case_good(text);

	declared_settle(declared, cfg);
	declared_settle(declared, cfg); /* changes nothing, and says nothing new */
	config_free(cfg);
}

Test(declared, the_configuration_takes_its_place)
{
	cr_assert_eq(add("a", "*:1", NBS_ADMIN, 0), 0);
	cr_assert_eq(add("signal", "*:2", NBS_PUBLIC, 0), 0);
	cr_assert_eq(add("b", "*:3", NBS_ADMIN, 0), 0);
	settle("[listener a]\naddress = 127.0.0.1:77\nclass = admin\n[listener signal]\n");
	cr_expect_eq(at(0)->n_addresses, 0);
	cr_expect_eq(at(1)->n_addresses, 0);
	cr_expect_eq(at(2)->n_addresses, 1);
	expect_said("");
}

/* A section without a class is public: easily written for another address, and easily missed. */
Test(declared, one_of_another_class_in_its_place_is_warned_of)
{
	cr_assert_eq(add("a", "*:1", NBS_ADMIN, 0), 0);
	cr_assert_eq(add("b", "*:2", NBS_CHALLENGE, 0), 0);
	settle("[listener a]\naddress = *:3\n[listener b]\naddress = *:4\n");
	cr_expect_eq(at(0)->n_addresses, 0);
	cr_expect_eq(at(1)->n_addresses, 0);
	expect_said(
	    "netbird-signal: warning: plugin p: [listener a] of the configuration takes the "
	    "place of its own, is of another class, and does not serve the same\n");
}

/* Another address of the same port as well: one could not tell which listener is whose. */
Test(declared, ports_of_the_configuration_are_left_out)
{
	cr_assert_eq(add("a", "127.0.0.1:1, 127.0.0.1:2, [::1]:3", NBS_PUBLIC, 0), 0);
	settle("[listener x]\naddress = 127.0.0.2:1, *:3\n");
	cr_assert_eq(at(0)->n_addresses, 1);
	cr_expect_str_eq(at(0)->addresses[0].text, "127.0.0.1:2");
	expect_said("");
}

Test(declared, ports_of_earlier_ones_are_left_out)
{
	cr_assert_eq(add("a", "*:1", NBS_PUBLIC, 0), 0);
	cr_assert_eq(add("b", "*:1, *:2", NBS_PUBLIC, 0), 0);
	cr_assert_eq(add("c", "*:2, *:10000", NBS_PUBLIC, 0), 0);
	settle("");
	cr_expect_eq(at(0)->n_addresses, 1);
	cr_assert_eq(at(1)->n_addresses, 1);
	cr_expect_str_eq(at(1)->addresses[0].text, "*:2");
	cr_expect_eq(at(2)->n_addresses, 0, "*:10000 is that of the built-in listener");
	expect_said("");
}

/* One that is left out, by its name or its port, holds no port itself. */
Test(declared, who_is_left_out_holds_no_port)
{
	cr_assert_eq(add("a", "*:1", NBS_PUBLIC, 0), 0);
	cr_assert_eq(add("b", "*:1", NBS_PUBLIC, 0), 0);
	settle("[listener a]\naddress = *:5\n");
	cr_expect_eq(at(0)->n_addresses, 0);
	cr_expect_eq(at(1)->n_addresses, 1);
}

Test(declared, any_port_is_never_taken)
{
	cr_assert_eq(add("a", "*:0", NBS_PUBLIC, 0), 0);
	cr_assert_eq(add("b", "*:0, 127.0.0.1:0", NBS_PUBLIC, 0), 0);
	settle("[listener x]\naddress = *:0\n");
	cr_expect_eq(at(0)->n_addresses, 1);
	cr_expect_eq(at(1)->n_addresses, 2);
}

/* Its routes would be nowhere: the operator should know; those for challenges are everywhere. */
Test(declared, a_port_of_another_class_is_warned_of)
{
	cr_assert_eq(add("a", "*:1", NBS_ADMIN, NBS_LISTENER_OPTIONAL), 0);
	cr_assert_eq(add("b", "*:1", NBS_CHALLENGE, 0), 0);
	settle("[listener x]\naddress = *:1\n");
	cr_expect_eq(at(0)->n_addresses, 0);
	cr_expect_eq(at(1)->n_addresses, 0);
	expect_said("netbird-signal: warning: plugin p: [listener a] leaves out *:1: [listener x] "
	            "has the port, is of another class, and does not serve the same\n");
}

Test(declared, where_clients_need_a_certificate_plaintext_is_not_taken)
{
	cr_assert_eq(add("a", "*:1", NBS_PUBLIC, NBS_LISTENER_HTTP2), 0);
	cr_assert_eq(add("b", "*:2", NBS_CHALLENGE, NBS_LISTENER_PLAINTEXT), 0);
	settle("[tls]\ncert-file = /c\ncert-key = /k\nclient-ca = /ca\n[listener signal]\n"
	       "tls = required\n");
	cr_expect_eq(at(0)->tls, CONFIG_TLS_REQUIRED);
	cr_expect_eq(at(1)->tls, CONFIG_TLS_OFF);
}
