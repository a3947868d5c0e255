/*
 * Text of others inside an exposition.  One byte that is no UTF-8 makes Prometheus refuse the whole
 * scrape, so it becomes U+FFFD.
 */
#ifndef ESCAPE_H
#define ESCAPE_H

struct text;

/* What HELP says: \ and newline are escaped, and with `quotes` (OpenMetrics) also ". */
void escape_help(struct text *t, const char *help, int quotes);

/* Labels as nbs_metric_desc has them: the values are escaped already, the same way in both
 * formats. */
void escape_labels(struct text *t, const char *labels);

#endif
