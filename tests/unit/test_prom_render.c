/* plugins/prometheus: numbers, escapes, and the two formats. */
#include "../../plugins/prometheus/number.h"
#include "../../plugins/prometheus/render.h"
#include "../../plugins/prometheus/text.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct text text;
static struct render render;

static void set_up(void)
{
	text_open(&text, 1 << 20);
	render_begin(&render, &text, FORMAT_TEXT);
}

static void tear_down(void)
{
	text_close(&text);
}

TestSuite(prom_render, .init = set_up, .fini = tear_down);

/* What was written since the last call. */
static const char *written(void)
{
	text_char(&text, '\0');
	cr_assert_eq(text.err, 0);
	text.len = 0;
	return text.at;
}

#define expect(what) cr_expect_str_eq(written(), what)

static void expect_value(double value, const char *as)
{
	number_value(&text, value);
	expect(as);
}

static void expect_bound(double value, const char *in_text, const char *in_openmetrics)
{
	number_bound(&text, value, 0);
	expect(in_text);
	number_bound(&text, value, 1);
	expect(in_openmetrics);
}

Test(prom_render, values)
{
	expect_value(0, "0");
	expect_value(-0.0, "0");
	expect_value(1, "1");
	expect_value(-1, "-1");
	expect_value(1000000, "1000000");
	expect_value(9007199254740992.0, "9007199254740992");
	expect_value(18446744073709551615.0, "18446744073709551616");
	expect_value(1e21, "1e+21");
	expect_value(0.1, "0.1");
	expect_value(0.1 + 0.2, "0.30000000000000004");
	expect_value(1.0 / 3, "0.3333333333333333");
	expect_value(123456789.125, "123456789.125");
	expect_value(1795398307.31, "1795398307.31");
	expect_value(0.0001, "0.0001");
	expect_value(0.00001, "1e-05");
	expect_value(1.5e-9, "1.5e-09");
	expect_value(DBL_MAX, "1.7976931348623157e+308");
	expect_value(DBL_MIN, "2.2250738585072014e-308");
	expect_value(4.9406564584124654e-324, "4.94065645841247e-324");
	expect_value(INFINITY, "+Inf");
	expect_value(-INFINITY, "-Inf");
	expect_value(NAN, "NaN");
	expect_value(-NAN, "NaN");
}

Test(prom_render, values_come_back_as_they_were)
{
	unsigned seed = 1;

	for (int i = 0; i < 20000; i++) {
		const double fraction = (double)rand_r(&seed) / RAND_MAX + rand_r(&seed);
		const double value = ldexp(fraction, rand_r(&seed) % 160 - 100);
		const char *form;

		number_value(&text, value);
		form = written();
		cr_assert_eq(strtod(form, NULL), value, "%.17g became %s", value, form);
	}
}

/* OpenMetrics 1.0.0, "Canonical Numbers"; NetBird's buckets among them. */
Test(prom_render, bounds)
{
	expect_bound(0, "0", "0.0");
	expect_bound(1, "1", "1.0");
	expect_bound(0.5, "0.5", "0.5");
	expect_bound(0.001, "0.001", "0.001");
	expect_bound(0.0001, "0.0001", "0.0001");
	expect_bound(0.00001, "1e-05", "1e-05");
	expect_bound(1e-10, "1e-10", "1e-10");
	expect_bound(250, "250", "250.0");
	expect_bound(100000, "100000", "100000.0");
	expect_bound(172800, "172800", "172800.0");
	expect_bound(1000000, "1e+06", "1e+06");
	expect_bound(1234567, "1.234567e+06", "1.234567e+06");
	expect_bound(1e10, "1e+10", "1e+10");
	expect_bound(INFINITY, "+Inf", "+Inf");
}

/* --- families -------------------------------------------------------------------------------- */

static const double two[] = {1, 1000000};

static struct nbs_metric_desc desc(enum nbs_kind kind, const char *name, const char *labels)
{
	const int n = kind == NBS_HISTOGRAM ? 2 : 0;

	return (struct nbs_metric_desc){.size = sizeof(struct nbs_metric_desc),
	                                .kind = kind,
	                                .name = name,
	                                .help = "Help.",
	                                .labels = labels,
	                                .bounds = n ? two : NULL,
	                                .n_bounds = (size_t)n};
}

static void one(enum nbs_kind kind, const char *name, const char *labels, double value)
{
	const struct nbs_metric_desc d = desc(kind, name, labels);

	render_series(&render, "", &d, &value, 1);
}

static void sequence(void)
{
	const double values[] = {2, 1, 1, 9, 113.5}; /* of which 9 is not the sum of the buckets */
	struct nbs_metric_desc h = desc(NBS_HISTOGRAM, "h_bytes", "type=\"x\"");

	one(NBS_COUNTER, "a_total", "x=\"1\"", 3);
	one(NBS_COUNTER, "a_total", "x=\"2\"", 0);
	one(NBS_GAUGE, "a", NULL, -1.5);
	one(NBS_COUNTER, "total", "", 1);
	one(NBS_COUNTER, "b", "", 7);
	render_series(&render, "", &h, values, 5);
	h.labels = NULL;
	render_series(&render, "", &h, values, 5);
	render_end(&render);
}

Test(prom_render, text_format)
{
	sequence();
	expect("# HELP a_total Help.\n"
	       "# TYPE a_total counter\n"
	       "a_total{x=\"1\"} 3\n"
	       "a_total{x=\"2\"} 0\n"
	       "# HELP a Help.\n"
	       "# TYPE a gauge\n"
	       "a -1.5\n"
	       "# HELP total Help.\n"
	       "# TYPE total counter\n"
	       "total 1\n"
	       "# HELP b Help.\n"
	       "# TYPE b counter\n"
	       "b 7\n"
	       "# HELP h_bytes Help.\n"
	       "# TYPE h_bytes histogram\n"
	       "h_bytes_bucket{type=\"x\",le=\"1\"} 2\n"
	       "h_bytes_bucket{type=\"x\",le=\"1e+06\"} 3\n"
	       "h_bytes_bucket{type=\"x\",le=\"+Inf\"} 4\n"
	       "h_bytes_sum{type=\"x\"} 113.5\n"
	       "h_bytes_count{type=\"x\"} 4\n"
	       "h_bytes_bucket{le=\"1\"} 2\n"
	       "h_bytes_bucket{le=\"1e+06\"} 3\n"
	       "h_bytes_bucket{le=\"+Inf\"} 4\n"
	       "h_bytes_sum 113.5\n"
	       "h_bytes_count 4\n");
}

Test(prom_render, openmetrics)
{
	render_begin(&render, &text, FORMAT_OPENMETRICS);
	sequence();
	expect("# HELP a Help.\n"
	       "# TYPE a counter\n"
	       "a_total{x=\"1\"} 3\n"
	       "a_total{x=\"2\"} 0\n"
	       "# HELP a Help.\n"
	       "# TYPE a gauge\n"
	       "a -1.5\n"
	       "# HELP total Help.\n"
	       "# TYPE total counter\n"
	       "total_total 1\n"
	       "# HELP b Help.\n"
	       "# TYPE b counter\n"
	       "b_total 7\n"
	       "# HELP h_bytes Help.\n"
	       "# TYPE h_bytes histogram\n"
	       "h_bytes_bucket{type=\"x\",le=\"1.0\"} 2\n"
	       "h_bytes_bucket{type=\"x\",le=\"1e+06\"} 3\n"
	       "h_bytes_bucket{type=\"x\",le=\"+Inf\"} 4\n"
	       "h_bytes_sum{type=\"x\"} 113.5\n"
	       "h_bytes_count{type=\"x\"} 4\n"
	       "h_bytes_bucket{le=\"1.0\"} 2\n"
	       "h_bytes_bucket{le=\"1e+06\"} 3\n"
	       "h_bytes_bucket{le=\"+Inf\"} 4\n"
	       "h_bytes_sum 113.5\n"
	       "h_bytes_count 4\n"
	       "# EOF\n");
}

Test(prom_render, a_prefix_is_of_the_name_only)
{
	const struct nbs_metric_desc d = desc(NBS_COUNTER, "a_total", "x=\"1\"");
	const double value = 1;

	render_series(&render, "signal_", &d, &value, 1);
	render_series(&render, "signal_", &d, &value, 1);
	render_series(&render, "", &d, &value, 1);
	expect("# HELP signal_a_total Help.\n"
	       "# TYPE signal_a_total counter\n"
	       "signal_a_total{x=\"1\"} 1\n"
	       "signal_a_total{x=\"1\"} 1\n"
	       "# HELP a_total Help.\n"
	       "# TYPE a_total counter\n"
	       "a_total{x=\"1\"} 1\n");
}

static const char *help_line(const char *help, enum format format)
{
	struct nbs_metric_desc d = desc(NBS_GAUGE, "a", NULL);
	const double value = 0;
	char *end;
	const char *all;

	d.help = help;
	render_begin(&render, &text, format);
	render_series(&render, "", &d, &value, 1);
	all = written();
	cr_assert(end = strchr(all, '\n'));
	*end = '\0';
	cr_assert(strncmp(all, "# HELP a ", 9) == 0);
	return all + 9;
}

Test(prom_render, help_is_escaped)
{
	const char help[] = "One \\ \"two\"\nthree \\n";

	cr_expect_str_eq(help_line(help, FORMAT_TEXT), "One \\\\ \"two\"\\nthree \\\\n");
	cr_expect_str_eq(help_line(help, FORMAT_OPENMETRICS), "One \\\\ \\\"two\\\"\\nthree \\\\n");
	cr_expect_str_eq(help_line("", FORMAT_TEXT), "");
}

#define BAD "\xef\xbf\xbd"

Test(prom_render, what_is_no_utf8_is_replaced)
{
	static const char *const pairs[][2] = {
	    {"Gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x98\x80", NULL},
	    {"\xff", BAD},
	    {"a\x80z", "a" BAD "z"},
	    {"\xc3", BAD},
	    {"\xc3\n", BAD "\\n"},
	    {"\xc0\xaf", BAD BAD},                 /* overlong */
	    {"\xe0\x80\xaf", BAD BAD BAD},         /* overlong */
	    {"\xed\xa0\x80", BAD BAD BAD},         /* a surrogate */
	    {"\xf4\x90\x80\x80", BAD BAD BAD BAD}, /* over U+10FFFF */
	    {"\xe2\x82", BAD BAD},                 /* it ends inside */
	    {"\xf0\x9f\x98", BAD BAD BAD},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		cr_expect_str_eq(help_line(pairs[i][0], FORMAT_TEXT),
		                 pairs[i][1] ? pairs[i][1] : pairs[i][0], "%zu", i);
	one(NBS_GAUGE, "a", "x=\"\\\\ \\\" \\n\xff\"", 1);
	expect("a{x=\"\\\\ \\\" \\n" BAD "\"} 1\n");
}

Test(prom_render, what_it_does_not_know_is_left_out)
{
	struct nbs_metric_desc d = desc((enum nbs_kind)(NBS_HISTOGRAM + 1), "later", NULL);
	const double values[] = {1, 2, 3, 4, 5, 6};

	render_series(&render, "", &d, values, 1);
	d = desc(NBS_GAUGE, "g", NULL);
	render_series(&render, "", &d, values, 2);
	d = desc(NBS_HISTOGRAM, "h", NULL);
	render_series(&render, "", &d, values, 6);
	cr_expect_eq(text.len, 0);
	cr_expect_eq(text.err, 0);
}

Test(prom_render, a_text_has_a_bound_and_its_error_stays)
{
	struct text small;

	text_open(&small, 10);
	text_str(&small, "12345678");
	cr_expect_eq(small.err, 0);
	text_str(&small, "abc");
	cr_expect_eq(small.err, -EFBIG);
	text_str(&small, "a");
	cr_expect_eq(small.err, -EFBIG);
	cr_expect_eq(small.len, 8);
	cr_expect(memcmp(small.at, "12345678", 8) == 0);
	text_close(&small);
	text_open(&small, 10);
	text_str(&small, "1234567890");
	cr_expect_eq(small.err, 0);
	cr_expect_eq(small.len, 10);
	text_close(&small);
}
