/*
 * The keys of a plugin's section, as the plugin asks for them.
 */
#include "config_case.h"

#include <errno.h>
#include <string.h>

Test(config_plugin, keys_of_a_plugin)
{
	struct config *cfg = case_good("[plugin p]\ns = text\ni = -5\nb = off\nd = 2s\nz = 3K\n");
	struct config_plugin *p = config_plugin(cfg, "p");
	const char *s = "none", *absent = "absent";
	int64_t i = 0, d = 0, z = 0, kept = 7;
	int b = 1;

	cr_assert_eq(p->n_entries, 5);
	cr_expect_eq(config_plugin_str(p, "s", &s), 0);
	cr_expect_str_eq(s, "text");
	cr_expect_eq(config_plugin_int(p, "i", -10, 10, &i), 0);
	cr_expect_eq(i, -5);
	cr_expect_eq(config_plugin_bool(p, "b", &b), 0);
	cr_expect_eq(b, 0);
	cr_expect_eq(config_plugin_duration(p, "d", 0, INT64_MAX, &d), 0);
	cr_expect_eq(d, 2000);
	cr_expect_eq(config_plugin_size(p, "z", 0, INT64_MAX, &z), 0);
	cr_expect_eq(z, 3072);
	cr_expect_eq(config_plugin_str(p, "absent", &absent), 0);
	cr_expect_str_eq(absent, "absent");
	cr_expect_eq(config_plugin_int(p, "absent", 0, 1, &kept), 0);
	cr_expect_eq(kept, 7);
	config_free(cfg);
}

/* Everything from here on is said on the test's own stderr. */
static void expect_said(const char *words)
{
	char expected[256];

	snprintf(expected, sizeof(expected), "netbird-signal: %s:%s\n", case_file, words);
	fflush(stderr);
	cr_expect_stderr_eq_str(expected);
}

Test(config_plugin, bad_key_of_a_plugin, .init = cr_redirect_stderr)
{
	struct config *cfg = case_good("[plugin p]\ni = 11\n");
	int64_t i = 3;

	cr_expect_eq(config_plugin_int(config_plugin(cfg, "p"), "i", -10, 10, &i), -EINVAL);
	cr_expect_eq(i, 3);
	expect_said("2: [plugin p] i: expected a number from -10 to 10, got \"11\"");
	config_free(cfg);
}

Test(config_plugin, bad_bool_of_a_plugin, .init = cr_redirect_stderr)
{
	struct config *cfg = case_good("[plugin p]\n\nb = 2\n");
	int b = 1;

	cr_expect_eq(config_plugin_bool(config_plugin(cfg, "p"), "b", &b), -EINVAL);
	expect_said("3: [plugin p] b: expected yes or no, got \"2\"");
	config_free(cfg);
}

static bool knows(const void *arg, const char *key)
{
	return strstr(arg, key) != NULL;
}

Test(config_plugin, unknown_key_of_a_plugin, .init = cr_redirect_stderr)
{
	struct config *cfg = case_good("[plugin p]\na = 1\nb = 2\n");
	int64_t a = 0;

	cr_expect_eq(config_plugin_int(config_plugin(cfg, "p"), "a", 0, 1, &a), 0);
	cr_expect_eq(config_plugin_unknown(config_plugin(cfg, "p"), knows, "a b"), 0);
	cr_expect_eq(config_plugin_unknown(config_plugin(cfg, "p"), knows, "a"), -EINVAL);
	expect_said("3: [plugin p] b: the plugin knows no such key");
	config_free(cfg);
}

Test(config_plugin, plugin_sections_are_compared)
{
	struct config *a = case_good("[plugin p]\nx = 1\ny = 2\n"),
		      *b = case_good("[plugin p]\ny = 2\nx = 1\n"),
		      *c = case_good("[plugin p]\nx = 1\ny = 3\n"),
		      *d = case_good("[plugin p]\nx = 1\nz = 2\n"),
		      *e = case_good("[plugin p]\nx = 1\ny = 2\nenabled = no\n");

	cr_expect_not(config_plugin_changed(config_plugin(a, "p"), config_plugin(b, "p")));
	cr_expect(config_plugin_changed(config_plugin(a, "p"), config_plugin(c, "p")));
	cr_expect(config_plugin_changed(config_plugin(a, "p"), config_plugin(d, "p")));
	cr_expect(config_plugin_changed(config_plugin(a, "p"), config_plugin(e, "p")));
	config_free(a);
	config_free(b);
	config_free(c);
	config_free(d);
	config_free(e);
}
