/* Readiness. */
#include "ready.h"

#include <criterion/criterion.h>

#include <string.h>

static struct ready *ready;

static void set_up(void)
{
	cr_assert_eq(ready_open(&ready), 0);
	ready_set_serving(ready, true);
}

static void tear_down(void)
{
	ready_close(ready);
}

TestSuite(ready, .init = set_up, .fini = tear_down);

static void expect(bool is_ready, const char *text)
{
	char got[256];

	cr_assert_eq(ready_look(ready, got, sizeof(got)), is_ready);
	cr_assert_str_eq(got, text);
}

Test(ready, between_listening_and_the_shutdown)
{
	struct ready *fresh;
	char text[64];

	cr_assert_eq(ready_open(&fresh), 0);
	cr_assert_not(ready_look(fresh, text, sizeof(text)));
	cr_assert_str_eq(text, "not serving\n");
	ready_close(fresh);
	expect(true, "");
	ready_set_serving(ready, false);
	expect(false, "not serving\n");
}

Test(ready, objections_come_and_go)
{
	ready_object(ready, "router", "no cluster");
	expect(false, "router: no cluster\n");
	ready_object(ready, "acme", "no certificate");
	expect(false, "router: no cluster\nacme: no certificate\n");
	ready_object(ready, "router", "half a cluster");
	expect(false, "router: half a cluster\nacme: no certificate\n");
	ready_object(ready, "router", NULL);
	ready_object(ready, "nobody", NULL);
	expect(false, "acme: no certificate\n");
	ready_object(ready, "acme", NULL);
	expect(true, "");
}

Test(ready, both)
{
	ready_set_serving(ready, false);
	ready_object(ready, "x", "y");
	expect(false, "not serving\nx: y\n");
}

Test(ready, the_reason_is_copied)
{
	char why[] = "now";

	ready_object(ready, "x", why);
	memset(why, '!', 3);
	expect(false, "x: now\n");
}

Test(ready, a_text_that_is_too_long_is_cut)
{
	char got[16];

	ready_object(ready, "somebody", "something that is long");
	ready_object(ready, "else", "x");
	cr_assert_not(ready_look(ready, got, sizeof(got)));
	cr_assert_str_eq(got, "somebody: somet");
	cr_assert_not(ready_look(ready, got, 1));
	cr_assert_str_eq(got, "");
}
