/* Escapes, and bytes that are no UTF-8 (RFC 3629, 4). */
#include "escape.h"

#include "text.h"

#include <string.h>

/* The second byte has a range of its own after some first bytes: no overlong form, no surrogate,
 * nothing over U+10FFFF. */
static const struct lead {
	unsigned char first, last, low, high;
	size_t len;
} leads[] = {
    {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* The length of the character at s, or 0 if there is none.  The NUL at the end stops it. */
static size_t character(const unsigned char *s)
{
	const struct lead *lead = leads, *const end = leads + sizeof(leads) / sizeof(*leads);

	while (lead < end && (*s < lead->first || *s > lead->last))
		lead++;
	if (lead == end)
		return 0;
	if (lead->len > 1 && (s[1] < lead->low || s[1] > lead->high))
		return 0;
	for (size_t i = 2; i < lead->len; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return lead->len;
}

static void copy_character(struct text *t, const char **s)
{
	const size_t len = character((const unsigned char *)*s);

	if (len == 0)
		text_str(t, "\xef\xbf\xbd");
	else
		text_add(t, *s, len);
	*s += len > 0 ? len : 1;
}

/* Nearly all of it is ASCII that stands for itself; it is taken in one go.  How long it is at s;
 * `but` are those that do not. */
static size_t plain(const char *s, const char *but)
{
	size_t n = 0;

	while (s[n] != '\0' && (unsigned char)s[n] < 0x80 && strchr(but, s[n]) == NULL)
		n++;
	return n;
}

static void copy(struct text *t, const char **s, const char *but)
{
	const size_t len = plain(*s, but);

	if (len == 0) {
		copy_character(t, s);
		return;
	}
	text_add(t, *s, len);
	*s += len;
}

void escape_help(struct text *t, const char *help, int quotes)
{
	const char *const special = quotes ? "\\\n\"" : "\\\n";

	while (*help != '\0') {
		if (strchr(special, *help) == NULL) {
			copy(t, &help, special);
			continue;
		}
		text_char(t, '\\');
		text_char(t, *help == '\n' ? 'n' : *help);
		help++;
	}
}

void escape_labels(struct text *t, const char *labels)
{
	while (*labels != '\0')
		copy(t, &labels, "");
}
