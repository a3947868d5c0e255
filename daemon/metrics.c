/* Striped, lock-free series.  Families and series are only ever appended, so that a reader can
 * walk them while a later init() registers more. */
#include "metrics.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STRIPES 8
#define CACHE_LINE 64
#define MAX_BOUNDS 32

struct nbs_metric {
	struct nbs_metric_desc desc; /* strings and bounds are ours */
	struct nbs_metric *_Atomic next;
	size_t n_values;         /* 1, or the buckets, +Inf, count and sum */
	size_t stripe_cells;     /* n_values rounded up to whole cache lines */
	_Atomic uint64_t *cells; /* STRIPES x stripe_cells doubles, as bits */
};

struct family {
	struct nbs_metric *series; /* the first; never NULL */
	struct family *_Atomic next;
};

struct metrics {
	struct family *_Atomic families;
};

const double metrics_std_bounds[METRICS_STD_BOUNDS] = {0.1, 0.5, 1,    5,    10,   50,
                                                       100, 500, 1000, 5000, 10000};

int metrics_open(struct metrics **out)
{
	*out = calloc(1, sizeof(**out));
	return *out != NULL ? 0 : -ENOMEM;
}

static void series_free(struct nbs_metric *s)
{
	if (s == NULL)
		return;
	free((char *)s->desc.name);
	free((char *)s->desc.help);
	free((char *)s->desc.labels);
	free((double *)s->desc.bounds);
	free(s->cells);
	free(s);
}

void metrics_close(struct metrics *m)
{
	struct family *f, *next_family;
	struct nbs_metric *s, *next;

	if (m == NULL)
		return;
	for (f = m->families; f != NULL; f = next_family) {
		next_family = f->next;
		for (s = f->series; s != NULL; s = next) {
			next = s->next;
			series_free(s);
		}
		free(f);
	}
	free(m);
}

static bool is_name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!first && c >= '0' && c <= '9');
}

static size_t name_length(const char *s)
{
	size_t n = 0;

	while (is_name_char(s[n], n == 0))
		n++;
	return n;
}

/* The length of NAME="VALUE" at s, 0 if there is none.  In VALUE \ " and newline are escaped. */
static size_t label_length(const char *s)
{
	size_t n = name_length(s);

	if (n == 0 || s[n] != '=' || s[n + 1] != '"')
		return 0;
	for (n += 2; s[n] != '"'; n++) {
		if (s[n] == '\\' && strchr("\\\"n", s[n + 1]) != NULL && s[n + 1] != '\0')
			n++;
		else if (s[n] == '\\' || s[n] == '\0' || s[n] == '\n')
			return 0;
	}
	return n + 1;
}

/* One bad label makes Prometheus refuse all of a scrape: a name that comes twice, of which "le" is
 * one, as buckets have it already, or one that it keeps for itself. */
static bool valid_label(const struct nbs_metric_desc *d, const char *label)
{
	const size_t len = name_length(label);

	if (strncmp(label, "__", 2) == 0 ||
	    (d->kind == NBS_HISTOGRAM && len == 2 && memcmp(label, "le", 2) == 0))
		return false;
	for (const char *s = d->labels; s < label; s += label_length(s) + 1)
		if (name_length(s) == len && memcmp(s, label, len) == 0)
			return false;
	return true;
}

static bool valid_labels(const struct nbs_metric_desc *d)
{
	const char *s = d->labels;
	size_t n;

	if (s == NULL || *s == '\0')
		return true;
	while ((n = label_length(s)) > 0 && valid_label(d, s)) {
		s += n;
		if (*s == '\0')
			return true;
		if (*s++ != ',')
			return false;
	}
	return false;
}

static bool valid_bounds(const struct nbs_metric_desc *d)
{
	if (d->kind != NBS_HISTOGRAM)
		return d->n_bounds == 0;
	if (d->bounds == NULL || d->n_bounds == 0 || d->n_bounds > MAX_BOUNDS)
		return false;
	for (size_t i = 0; i < d->n_bounds; i++)
		if (!isfinite(d->bounds[i]) || (i > 0 && d->bounds[i - 1] >= d->bounds[i]))
			return false;
	return true;
}

static bool valid(const struct nbs_metric_desc *d)
{
	return d->name != NULL && *d->name != '\0' && d->name[name_length(d->name)] == '\0' &&
	       d->help != NULL && d->kind <= NBS_HISTOGRAM && valid_labels(d) && valid_bounds(d);
}

static bool same_family(const struct nbs_metric_desc *a, const struct nbs_metric_desc *b)
{
	return a->kind == b->kind && strcmp(a->help, b->help) == 0 && a->n_bounds == b->n_bounds &&
	       (a->n_bounds == 0 ||
	        memcmp(a->bounds, b->bounds, a->n_bounds * sizeof(double)) == 0);
}

/* OpenMetrics takes _total for no part of a counter's name. */
static size_t stem_length(const struct nbs_metric_desc *d)
{
	static const char total[] = "_total";
	const size_t len = strlen(d->name), suffix = sizeof(total) - 1;

	return d->kind == NBS_COUNTER && len > suffix && strcmp(d->name + len - suffix, total) == 0
	           ? len - suffix
	           : len;
}

/* Whether `name` is one of the names under which a histogram is shown. */
static bool is_part(const struct nbs_metric_desc *histogram, const char *name)
{
	const size_t len = strlen(histogram->name);

	return histogram->kind == NBS_HISTOGRAM && strncmp(name, histogram->name, len) == 0 &&
	       (strcmp(name + len, "_bucket") == 0 || strcmp(name + len, "_sum") == 0 ||
	        strcmp(name + len, "_count") == 0);
}

/* Two families that an exposition cannot tell apart. */
static bool collide(const struct nbs_metric_desc *a, const struct nbs_metric_desc *b)
{
	const size_t len = stem_length(a);

	return (len == stem_length(b) && memcmp(a->name, b->name, len) == 0) ||
	       is_part(a, b->name) || is_part(b, a->name);
}

static struct nbs_metric *series_new(const struct nbs_metric_desc *d)
{
	struct nbs_metric *s = calloc(1, sizeof(*s));
	const size_t per_line = CACHE_LINE / sizeof(uint64_t);
	double *bounds = NULL;

	if (s == NULL)
		return NULL;
	s->n_values = d->kind == NBS_HISTOGRAM ? d->n_bounds + 3 : 1;
	s->stripe_cells = (s->n_values + per_line - 1) / per_line * per_line;
	s->cells = aligned_alloc(CACHE_LINE, STRIPES * s->stripe_cells * sizeof(uint64_t));
	s->desc = (struct nbs_metric_desc){.size = sizeof(s->desc),
	                                   .kind = d->kind,
	                                   .name = strdup(d->name),
	                                   .help = strdup(d->help),
	                                   .labels = strdup(d->labels != NULL ? d->labels : ""),
	                                   .n_bounds = d->n_bounds};
	if (d->n_bounds > 0 && (bounds = malloc(d->n_bounds * sizeof(double))) != NULL)
		memcpy(bounds, d->bounds, d->n_bounds * sizeof(double));
	s->desc.bounds = bounds;
	if (s->cells == NULL || s->desc.name == NULL || s->desc.help == NULL ||
	    s->desc.labels == NULL || (d->n_bounds > 0 && bounds == NULL)) {
		series_free(s);
		return NULL;
	}
	for (size_t i = 0; i < STRIPES * s->stripe_cells; i++)
		atomic_init(&s->cells[i], 0); /* the bits of 0.0 */
	return s;
}

static int family_append(struct metrics *m, struct nbs_metric *s)
{
	struct family *_Atomic *at = &m->families;
	struct family *f;

	for (; *at != NULL; at = &(*at)->next)
		if (collide(&(*at)->series->desc, &s->desc))
			return -EEXIST;
	if ((f = calloc(1, sizeof(*f))) == NULL)
		return -ENOMEM;
	f->series = s;
	atomic_store_explicit(at, f, memory_order_release);
	return 0;
}

static int series_append(struct nbs_metric *first, struct nbs_metric *s)
{
	struct nbs_metric *last = first;

	if (!same_family(&first->desc, &s->desc))
		return -EINVAL;
	for (;; last = last->next) {
		if (strcmp(last->desc.labels, s->desc.labels) == 0)
			return -EEXIST;
		if (last->next == NULL)
			break;
	}
	atomic_store_explicit(&last->next, s, memory_order_release);
	return 0;
}

int metrics_register(struct metrics *m, const struct nbs_metric_desc *desc,
                     struct nbs_metric **metric)
{
	struct family *f = m->families;
	struct nbs_metric *s;
	int r;

	if (!valid(desc))
		return -EINVAL;
	if ((s = series_new(desc)) == NULL)
		return -ENOMEM;
	while (f != NULL && strcmp(f->series->desc.name, desc->name) != 0)
		f = f->next;
	r = f != NULL ? series_append(f->series, s) : family_append(m, s);
	if (r < 0) {
		series_free(s);
		return r;
	}
	*metric = s;
	return 0;
}

int metrics_register_table(struct metrics *m, const struct metrics_series *table)
{
	int r;

	for (const struct metrics_series *t = table; t->metric != NULL; t++) {
		const struct nbs_metric_desc desc = {.size = sizeof(desc),
		                                     .kind = t->kind,
		                                     .name = t->name,
		                                     .help = t->help,
		                                     .labels = t->labels,
		                                     .bounds = t->bounds,
		                                     .n_bounds = t->n_bounds};

		if ((r = metrics_register(m, &desc, t->metric)) < 0)
			return r;
	}
	return 0;
}

static unsigned my_stripe(void)
{
	static atomic_uint threads;
	static _Thread_local unsigned stripe; /* plus one; 0 is a new thread */

	if (stripe == 0)
		stripe = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % STRIPES + 1;
	return stripe - 1;
}

static double from_bits(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void cell_add(_Atomic uint64_t *cell, double value)
{
	uint64_t old = atomic_load_explicit(cell, memory_order_relaxed), bits;
	double sum;

	do {
		sum = from_bits(old) + value;
		memcpy(&bits, &sum, sizeof(bits));
	} while (!atomic_compare_exchange_weak_explicit(cell, &old, bits, memory_order_relaxed,
	                                                memory_order_relaxed));
}

void metrics_record(struct nbs_metric *metric, double value)
{
	const struct nbs_metric_desc *d = &metric->desc;
	_Atomic uint64_t *cells = metric->cells + my_stripe() * metric->stripe_cells;
	size_t bucket = 0;

	if (!isfinite(value) || (d->kind == NBS_COUNTER && value < 0))
		return; /* would spoil the series for ever */
	if (d->kind != NBS_HISTOGRAM) {
		cell_add(cells, value);
		return;
	}
	while (bucket < d->n_bounds && value > d->bounds[bucket])
		bucket++;
	cell_add(&cells[bucket], 1);
	cell_add(&cells[d->n_bounds + 1], 1);
	cell_add(&cells[d->n_bounds + 2], value);
}

static void add_up(const struct nbs_metric *s, double *values)
{
	for (size_t i = 0; i < s->n_values; i++) {
		values[i] = 0;
		for (size_t stripe = 0; stripe < STRIPES; stripe++)
			values[i] += from_bits(atomic_load_explicit(
			    &s->cells[stripe * s->stripe_cells + i], memory_order_relaxed));
	}
}

double metrics_value(const struct nbs_metric *metric)
{
	double values[MAX_BOUNDS + 3];

	add_up(metric, values);
	return values[0];
}

void metrics_each(struct metrics *m,
                  void (*visit)(void *arg, const struct nbs_metric_desc *, const double *values,
                                size_t n),
                  void *arg)
{
	double values[MAX_BOUNDS + 3];
	struct family *f;
	struct nbs_metric *s;

	for (f = atomic_load_explicit(&m->families, memory_order_acquire); f != NULL;
	     f = atomic_load_explicit(&f->next, memory_order_acquire)) {
		for (s = f->series; s != NULL;
		     s = atomic_load_explicit(&s->next, memory_order_acquire)) {
			add_up(s, values);
			visit(arg, &s->desc, values, s->n_values);
		}
	}
}
