/* What a client wants, out of the headers Accept and Accept-Encoding (RFC 9110, 12.5). */
#ifndef NEGOTIATE_H
#define NEGOTIATE_H

enum format { FORMAT_TEXT, FORMAT_OPENMETRICS, FORMATS };

/* A representation: how to render it, and what to call it. */
struct offer {
	enum format format;
	const char *content_type;
};

/*
 * The best offer for the value of Accept, "" without one.  Who wants two of them equally gets
 * OpenMetrics if it was named, not merely covered by a wildcard; who wants none gets the text
 * format, which everybody can at least read.
 */
const struct offer *negotiate_offer(const char *accept);

/* Whether the value of Accept-Encoding wants gzip more than nothing. */
int negotiate_gzip(const char *accept_encoding);

#endif
