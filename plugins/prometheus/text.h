/*
 * A growing text with a bound.  The first failure stays and everything after it is dropped, so that
 * only the end has to be looked at.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

struct text {
	char *at; /* not ended by NUL */
	size_t len;
	size_t size, max;
	int err; /* 0, -ENOMEM, or -EFBIG: longer than max */
};

void text_open(struct text *t, size_t max);
void text_close(struct text *t);

void text_add(struct text *t, const char *bytes, size_t len);
void text_str(struct text *t, const char *s);
void text_char(struct text *t, char c);

#endif
