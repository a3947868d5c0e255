/* The metrics core. */
#include "metrics.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

static struct metrics *metrics;

static void set_up(void)
{
	cr_assert_eq(metrics_open(&metrics), 0);
}

static void tear_down(void)
{
	metrics_close(metrics);
}

TestSuite(metrics, .init = set_up, .fini = tear_down);

static int add(struct nbs_metric **m, enum nbs_kind kind, const char *name, const char *labels,
               const double *bounds, size_t n)
{
	const struct nbs_metric_desc desc = {.size = sizeof(desc),
	                                     .kind = kind,
	                                     .name = name,
	                                     .help = "Help.",
	                                     .labels = labels,
	                                     .bounds = bounds,
	                                     .n_bounds = n};

	return metrics_register(metrics, &desc, m);
}

Test(metrics, counters_and_gauges_add)
{
	struct nbs_metric *c, *g;

	cr_assert_eq(add(&c, NBS_COUNTER, "c_total", NULL, NULL, 0), 0);
	cr_assert_eq(add(&g, NBS_GAUGE, "g", NULL, NULL, 0), 0);
	metrics_count(c);
	metrics_record(c, 2.5);
	metrics_record(c, -1);
	metrics_record(c, NAN);
	metrics_record(g, 3);
	metrics_record(g, -4);
	cr_assert_float_eq(metrics_value(c), 3.5, 1e-9);
	cr_assert_float_eq(metrics_value(g), -1, 1e-9);
}

static void one_histogram(void *arg, const struct nbs_metric_desc *d, const double *values,
                          size_t n)
{
	const double expected[] = {2, 1, 1, 4, 113.5}; /* two buckets, +Inf, count, sum */

	cr_assert_str_eq(d->name, "h");
	cr_assert_eq(n, 5);
	for (size_t i = 0; i < n; i++)
		cr_assert_float_eq(values[i], expected[i], 1e-9, "value %zu", i);
	(*(unsigned *)arg)++;
}

Test(metrics, histogram_bounds_are_inclusive)
{
	const double bounds[] = {1, 10};
	struct nbs_metric *h;
	unsigned seen = 0;

	cr_assert_eq(add(&h, NBS_HISTOGRAM, "h", NULL, bounds, 2), 0);
	metrics_record(h, 0.5);
	metrics_record(h, 1);
	metrics_record(h, 2);
	metrics_record(h, 110);
	metrics_each(metrics, one_histogram, &seen);
	cr_assert_eq(seen, 1);
}

static void join_names(void *arg, const struct nbs_metric_desc *d, const double *values, size_t n)
{
	(void)values;
	(void)n;
	strcat(arg, d->name);
	strcat(arg, "{");
	strcat(arg, d->labels);
	strcat(arg, "} ");
}

Test(metrics, series_of_one_name_come_together)
{
	char names[256] = "";
	struct nbs_metric *m;

	cr_assert_eq(add(&m, NBS_COUNTER, "a", "x=\"1\"", NULL, 0), 0);
	cr_assert_eq(add(&m, NBS_COUNTER, "b", NULL, NULL, 0), 0);
	cr_assert_eq(add(&m, NBS_COUNTER, "a", "x=\"2\"", NULL, 0), 0);
	metrics_each(metrics, join_names, names);
	cr_assert_str_eq(names, "a{x=\"1\"} a{x=\"2\"} b{} ");
}

Test(metrics, refuses_what_no_exporter_could_show)
{
	const double falling[] = {2, 1};
	struct nbs_metric *m;

	cr_assert_eq(add(&m, NBS_COUNTER, "", NULL, NULL, 0), -EINVAL);
	cr_assert_eq(add(&m, NBS_COUNTER, "1a", NULL, NULL, 0), -EINVAL);
	cr_assert_eq(add(&m, NBS_COUNTER, "a b", NULL, NULL, 0), -EINVAL);
	cr_assert_eq(add(&m, NBS_COUNTER, "a", "x", NULL, 0), -EINVAL);
	cr_assert_eq(add(&m, NBS_COUNTER, "a", "x=\"1", NULL, 0), -EINVAL);
	cr_assert_eq(add(&m, NBS_COUNTER, "a", "x=\"1\",", NULL, 0), -EINVAL);
	cr_assert_eq(add(&m, NBS_COUNTER, "a", "x=\"1\"y=\"2\"", NULL, 0), -EINVAL);
	cr_assert_eq(add(&m, NBS_COUNTER, "a", "x=\"\\q\"", NULL, 0), -EINVAL);
	cr_assert_eq(add(&m, NBS_HISTOGRAM, "a", NULL, NULL, 0), -EINVAL);
	cr_assert_eq(add(&m, NBS_HISTOGRAM, "a", NULL, falling, 2), -EINVAL);
	cr_assert_eq(add(&m, NBS_COUNTER, "a", "x=\"\\\"\\\\\\n\",y=\"\"", NULL, 0), 0);
	cr_assert_eq(add(&m, NBS_COUNTER, "a", "x=\"\\\"\\\\\\n\",y=\"\"", NULL, 0), -EEXIST);
	cr_assert_eq(add(&m, NBS_GAUGE, "a", NULL, NULL, 0), -EINVAL, "another kind");
}

/* Prometheus takes nothing of a scrape in which one of these is. */
Test(metrics, refuses_labels_that_spoil_a_scrape)
{
	static const double bounds[] = {1};
	struct nbs_metric *m;

	cr_expect_eq(add(&m, NBS_GAUGE, "a", "x=\"1\",x=\"2\"", NULL, 0), -EINVAL);
	cr_expect_eq(add(&m, NBS_GAUGE, "a", "x=\"1\",y=\",x=\",x=\"1\"", NULL, 0), -EINVAL);
	cr_expect_eq(add(&m, NBS_GAUGE, "a", "__name__=\"b\"", NULL, 0), -EINVAL);
	cr_expect_eq(add(&m, NBS_GAUGE, "a", "x=\"1\",__y=\"b\"", NULL, 0), -EINVAL);
	cr_expect_eq(add(&m, NBS_HISTOGRAM, "h", "le=\"1\"", bounds, 1), -EINVAL);
	cr_expect_eq(add(&m, NBS_HISTOGRAM, "h", "x=\"1\",le=\"1\"", bounds, 1), -EINVAL);
	cr_expect_eq(add(&m, NBS_GAUGE, "a", "x=\"x=\",xx=\"1\",_x=\"1\",le=\"1\"", NULL, 0), 0);
	cr_expect_eq(add(&m, NBS_HISTOGRAM, "h", "les=\"1\",l=\"1\"", bounds, 1), 0);
}

/* OpenMetrics, "MetricFamily": names are unique, those of samples too. */
Test(metrics, refuses_names_that_an_exposition_cannot_tell_apart)
{
	static const double bounds[] = {1};
	struct nbs_metric *m;

	cr_expect_eq(add(&m, NBS_COUNTER, "a_total", NULL, NULL, 0), 0);
	cr_expect_eq(add(&m, NBS_GAUGE, "a", NULL, NULL, 0), -EEXIST);
	cr_expect_eq(add(&m, NBS_COUNTER, "a", NULL, NULL, 0), -EEXIST);
	cr_expect_eq(add(&m, NBS_HISTOGRAM, "a", NULL, bounds, 1), -EEXIST);
	cr_expect_eq(add(&m, NBS_HISTOGRAM, "h", NULL, bounds, 1), 0);
	cr_expect_eq(add(&m, NBS_COUNTER, "h_count", NULL, NULL, 0), -EEXIST);
	cr_expect_eq(add(&m, NBS_GAUGE, "h_bucket", NULL, NULL, 0), -EEXIST);
	cr_expect_eq(add(&m, NBS_GAUGE, "g_sum", NULL, NULL, 0), 0);
	cr_expect_eq(add(&m, NBS_HISTOGRAM, "g", NULL, bounds, 1), -EEXIST);
	cr_expect_eq(add(&m, NBS_COUNTER, "a_total", "x=\"1\"", NULL, 0), 0);
	cr_expect_eq(add(&m, NBS_GAUGE, "a_totals", NULL, NULL, 0), 0);
	cr_expect_eq(add(&m, NBS_GAUGE, "h_counts", NULL, NULL, 0), 0);
	cr_expect_eq(add(&m, NBS_GAUGE, "g_sum_total", NULL, NULL, 0), 0);
}

static void *record_many(void *metric)
{
	for (unsigned i = 0; i < 100000; i++)
		metrics_count(metric);
	return NULL;
}

Test(metrics, threads_lose_nothing)
{
	pthread_t threads[12]; /* more than there are stripes */
	struct nbs_metric *c;

	cr_assert_eq(add(&c, NBS_COUNTER, "c_total", NULL, NULL, 0), 0);
	for (unsigned i = 0; i < 12; i++)
		pthread_create(&threads[i], NULL, record_many, c);
	for (unsigned i = 0; i < 12; i++)
		pthread_join(threads[i], NULL);
	cr_assert_float_eq(metrics_value(c), 1200000, 0.1);
}
