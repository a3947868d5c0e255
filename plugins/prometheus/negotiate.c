/*
 * Lists as RFC 9110 has them: elements with commas, parameters with semicolons, a weight q.  What
 * is no such list is skipped up to the next comma; a header cannot make a scrape fail.
 */
#include "negotiate.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define OPENMETRICS "application/openmetrics-text"

/* A piece of the header. */
struct word {
	const char *at;
	size_t len;
};

struct element {
	struct word name, version;
	int weight; /* thousandths */
};

static bool is(struct word w, const char *what)
{
	return w.len == strlen(what) && strncasecmp(w.at, what, w.len) == 0;
}

static struct word trim(const char *at, size_t len)
{
	while (len > 0 && (*at == ' ' || *at == '\t'))
		at++, len--;
	while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	return (struct word){at, len};
}

/* Up to `end`, which counts only outside of quotes.  *rest moves past it. */
static struct word piece(struct word *rest, char end)
{
	const char *const at = rest->at;
	size_t n = 0;

	for (bool quoted = false; n < rest->len && (quoted || at[n] != end); n++) {
		if (at[n] == '\\' && quoted && n + 1 < rest->len)
			n++;
		else if (at[n] == '"')
			quoted = !quoted;
	}
	rest->at += n < rest->len ? n + 1 : n;
	rest->len -= n < rest->len ? n + 1 : n;
	return trim(at, n);
}

/* RFC 9110, 12.4.2: 0 or 1 with up to three decimals.  What is none counts as 0. */
static int read_weight(struct word w)
{
	int weight = 0, unit = 100;

	if (w.len == 0 || w.len > 5 || (w.at[0] != '0' && w.at[0] != '1') ||
	    (w.len > 1 && w.at[1] != '.'))
		return 0;
	weight = (w.at[0] - '0') * 1000;
	for (size_t i = 2; i < w.len; i++, unit /= 10) {
		if (w.at[i] < '0' || w.at[i] > '9')
			return 0;
		weight += (w.at[i] - '0') * unit;
	}
	return weight <= 1000 ? weight : 0;
}

static struct word unquoted(struct word w)
{
	if (w.len >= 2 && w.at[0] == '"' && w.at[w.len - 1] == '"')
		return (struct word){w.at + 1, w.len - 2};
	return w;
}

/* Parameters but version and q (charset, escaping) make no difference to us. */
static struct element read_element(struct word text)
{
	struct element e = {.weight = 1000};

	e.name = piece(&text, ';');
	while (text.len > 0) {
		struct word value = piece(&text, ';');
		const struct word name = piece(&value, '=');

		value = unquoted(trim(value.at, value.len));
		if (is(name, "q"))
			e.weight = read_weight(value);
		else if (is(name, "version"))
			e.version = value;
	}
	return e;
}

static const struct kind {
	struct offer offer;
	const char *type, *version;
} kinds[] = {
    /* The order in which they are preferred. */
    {{FORMAT_OPENMETRICS, OPENMETRICS "; version=1.0.0; charset=utf-8"}, OPENMETRICS, "1.0.0"},
    {{FORMAT_OPENMETRICS, OPENMETRICS "; version=0.0.1; charset=utf-8"}, OPENMETRICS, "0.0.1"},
    {{FORMAT_TEXT, "text/plain; version=0.0.4; charset=utf-8"}, "text/plain", "0.0.4"},
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))
#define TEXT (KINDS - 1)

/* How closely an element describes it: 0 not at all, 1 any type, 2 the first half, 3 the type,
 * 4 with its version. */
static int closeness(const struct element *e, const struct kind *k)
{
	const size_t half = strcspn(k->type, "/") + 1;

	if (is(e->name, "*/*"))
		return 1;
	if (e->name.len == half + 1 && e->name.at[half] == '*')
		return strncasecmp(e->name.at, k->type, half) == 0 ? 2 : 0;
	if (!is(e->name, k->type))
		return 0;
	if (e->version.len == 0)
		return 3;
	return is(e->version, k->version) ? 4 : 0;
}

const struct offer *negotiate_offer(const char *accept)
{
	struct word rest = {accept, strlen(accept)};
	int close[KINDS] = {0}, weight[KINDS] = {0};
	size_t best = TEXT;

	while (rest.len > 0) {
		const struct element e = read_element(piece(&rest, ','));

		for (size_t i = 0; i < KINDS; i++) {
			const int c = closeness(&e, &kinds[i]);

			if (c == 0 || c < close[i] || (c == close[i] && e.weight < weight[i]))
				continue;
			close[i] = c;
			weight[i] = e.weight;
		}
	}
	for (size_t i = 0; i < TEXT; i++)
		if (weight[i] > weight[best] ||
		    (weight[i] == weight[best] && weight[i] > 0 && best == TEXT && close[i] > 2))
			best = i;
	return &kinds[best].offer;
}

int negotiate_gzip(const char *accept_encoding)
{
	struct word rest = {accept_encoding, strlen(accept_encoding)};
	int gzip = -1, identity = -1, others = -1;

	while (rest.len > 0) {
		const struct element e = read_element(piece(&rest, ','));

		if (is(e.name, "gzip") || is(e.name, "x-gzip"))
			gzip = e.weight;
		else if (is(e.name, "identity"))
			identity = e.weight;
		else if (is(e.name, "*"))
			others = e.weight;
	}
	if (gzip < 0)
		gzip = others;
	return gzip > 0 && gzip >= identity;
}
