/* Families and series.  The formats differ in the names of counters, in what is escaped, in how
 * bounds look, and in the end. */
#include "render.h"

#include "escape.h"
#include "number.h"
#include "text.h"

#include <stdbool.h>
#include <string.h>

#define TOTAL "_total"

static const char *const types[] = {
    [NBS_COUNTER] = "counter",
    [NBS_GAUGE] = "gauge",
    [NBS_HISTOGRAM] = "histogram",
};

void render_begin(struct render *r, struct text *text, enum format format)
{
	*r = (struct render){.text = text, .format = format};
}

/* OpenMetrics takes _total for a suffix of the sample, which every counter has. */
static size_t family_length(const struct render *r, const struct nbs_metric_desc *d)
{
	const size_t len = strlen(d->name), suffix = sizeof(TOTAL) - 1;

	if (r->format == FORMAT_OPENMETRICS && d->kind == NBS_COUNTER && len > suffix &&
	    strcmp(d->name + len - suffix, TOTAL) == 0)
		return len - suffix;
	return len;
}

static void add_name(struct render *r, const char *prefix, const struct nbs_metric_desc *d)
{
	text_str(r->text, prefix);
	text_add(r->text, d->name, family_length(r, d));
}

static bool same_family(const struct render *r, const char *prefix, const struct nbs_metric_desc *d)
{
	const size_t before = strlen(prefix), len = family_length(r, d);
	const char *shown;

	if (r->family_len != before + len || r->kind != d->kind)
		return false;
	shown = r->text->at + r->family;
	return memcmp(shown, prefix, before) == 0 && memcmp(shown + before, d->name, len) == 0;
}

static void begin_family(struct render *r, const char *prefix, const struct nbs_metric_desc *d)
{
	text_str(r->text, "# HELP ");
	r->family = r->text->len;
	add_name(r, prefix, d);
	r->family_len = r->text->len - r->family;
	r->kind = d->kind;
	text_char(r->text, ' ');
	escape_help(r->text, d->help, r->format == FORMAT_OPENMETRICS);
	text_str(r->text, "\n# TYPE ");
	add_name(r, prefix, d);
	text_char(r->text, ' ');
	text_str(r->text, types[d->kind]);
	text_char(r->text, '\n');
}

static bool has_labels(const struct nbs_metric_desc *d)
{
	return d->labels != NULL && *d->labels != '\0';
}

static void add_value(struct render *r, double value)
{
	text_char(r->text, ' ');
	number_value(r->text, value);
	text_char(r->text, '\n');
}

static void sample(struct render *r, const char *prefix, const struct nbs_metric_desc *d,
                   const char *suffix, double value)
{
	add_name(r, prefix, d);
	text_str(r->text, suffix);
	if (has_labels(d)) {
		text_char(r->text, '{');
		escape_labels(r->text, d->labels);
		text_char(r->text, '}');
	}
	add_value(r, value);
}

static void bucket(struct render *r, const char *prefix, const struct nbs_metric_desc *d,
                   const double *bound, double value)
{
	add_name(r, prefix, d);
	text_str(r->text, "_bucket{");
	if (has_labels(d)) {
		escape_labels(r->text, d->labels);
		text_char(r->text, ',');
	}
	text_str(r->text, "le=\"");
	if (bound != NULL)
		number_bound(r->text, *bound, r->format == FORMAT_OPENMETRICS);
	else
		text_str(r->text, "+Inf");
	text_str(r->text, "\"}");
	add_value(r, value);
}

/* The count is that of the buckets: the one beside them was read a moment later, and both formats
 * want it to be the same as that of +Inf. */
static void histogram(struct render *r, const char *prefix, const struct nbs_metric_desc *d,
                      const double *values)
{
	double count = 0;

	for (size_t i = 0; i <= d->n_bounds; i++) {
		count += values[i];
		bucket(r, prefix, d, i < d->n_bounds ? &d->bounds[i] : NULL, count);
	}
	sample(r, prefix, d, "_sum", values[d->n_bounds + 2]);
	sample(r, prefix, d, "_count", count);
}

void render_series(struct render *r, const char *prefix, const struct nbs_metric_desc *d,
                   const double *values, size_t n)
{
	if (r->text->err < 0 || d->kind > NBS_HISTOGRAM ||
	    n != (d->kind == NBS_HISTOGRAM ? d->n_bounds + 3 : 1))
		return;
	if (!same_family(r, prefix, d))
		begin_family(r, prefix, d);
	if (d->kind == NBS_HISTOGRAM)
		histogram(r, prefix, d, values);
	else
		sample(r, prefix, d,
		       d->kind == NBS_COUNTER && r->format == FORMAT_OPENMETRICS ? TOTAL : "",
		       values[0]);
}

void render_end(struct render *r)
{
	if (r->format == FORMAT_OPENMETRICS)
		text_str(r->text, "# EOF\n");
}
