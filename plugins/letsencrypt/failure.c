/* Failures in words.  What a server sent goes into logs and onto terminals: nothing of it may move
 * the cursor, start a new line or turn the direction of writing. */
#include "failure.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The length of the UTF-8 sequence at `s` with its character in *c, or 0 if it is malformed. */
static size_t utf8_length(const unsigned char *s, uint32_t *c)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;

	if (n < 2) {
		*c = s[0];
		return n;
	}
	*c = s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (s[i] & 0x3fu);
	}
	if (*c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff))
		return 0;
	return n;
}

/* Whether a character does something instead of being seen: C0, C1, and those that separate lines
 * or set the direction. */
static int is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x200e && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* In place; it never grows. */
static void make_printable(char *text)
{
	unsigned char *from = (unsigned char *)text, *to = from;

	while (*from != '\0') {
		uint32_t c;
		size_t n = utf8_length(from, &c);

		if (n == 0 || is_control(c)) {
			*to++ = c == '\n' || c == '\t' ? ' ' : '?';
			from += n == 0 ? 1 : n;
		} else {
			memmove(to, from, n);
			to += n;
			from += n;
		}
	}
	*to = '\0';
}

/* Text that was cut off ends with "...", and not in the middle of a character. */
static void show_cut(char *text, size_t size)
{
	char *end = text + size - 4;

	while (end > text && ((unsigned char)*end & 0xc0) == 0x80)
		end--;
	memcpy(end, "...", 4);
}

int failure_set(struct failure *f, enum failure_kind kind, int code, const char *fmt, ...)
{
	char text[sizeof(f->text)]; /* f->text may be among the arguments */
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0)
		snprintf(text, sizeof(text), "a failure that cannot be put in words");
	else if ((size_t)n >= sizeof(text))
		show_cut(text, sizeof(text));
	make_printable(text);
	memcpy(f->text, text, strlen(text) + 1);
	f->kind = kind;
	f->retry_after_s = 0;
	return code;
}

const char *failure_label(enum failure_kind kind)
{
	static const char *const labels[FAILURE_KINDS] = {
	    [FAILURE_NONE] = "none",
	    [FAILURE_NETWORK] = "network",
	    [FAILURE_SERVER] = "server",
	    [FAILURE_RATE_LIMIT] = "rate_limit",
	    [FAILURE_REFUSED] = "refused",
	    [FAILURE_CHALLENGE] = "challenge",
	    [FAILURE_UNREACHABLE] = "unreachable",
	    [FAILURE_HOOK] = "hook",
	    [FAILURE_STORAGE] = "storage",
	    [FAILURE_LOCAL] = "local",
	};

	return (unsigned)kind < FAILURE_KINDS ? labels[kind] : "none";
}
