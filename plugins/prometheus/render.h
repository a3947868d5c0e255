/*
 * Series as Prometheus' text format 0.0.4 or OpenMetrics 1.0.0 shows them.  Any thread; the state
 * of one exposition is in struct render.
 */
#ifndef RENDER_H
#define RENDER_H

#include "negotiate.h"

#include <netbird-signal/plugin.h>

#include <stddef.h>

struct text;

struct render {
	struct text *text;
	enum format format;
	/* The family that is shown: where `text` has its name. */
	size_t family, family_len;
	enum nbs_kind kind;
};

void render_begin(struct render *r, struct text *text, enum format format);

/* The series of one name must come one after the other.  What is of no known kind is left out.
 * prefix: in front of the name, "" without. */
void render_series(struct render *r, const char *prefix, const struct nbs_metric_desc *desc,
                   const double *values, size_t n);

void render_end(struct render *r);

#endif
