/* A growing text with a bound. */
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A scrape with the plugins of the default configuration is 70,000 bytes. */
#define FIRST_SIZE 131072

void text_open(struct text *t, size_t max)
{
	*t = (struct text){.max = max};
}

void text_close(struct text *t)
{
	free(t->at);
	t->at = NULL;
}

static int grow(struct text *t, size_t more)
{
	size_t size = t->size > 0 ? t->size : FIRST_SIZE;
	char *at;

	if (more > t->max - t->len)
		return -EFBIG;
	while (size - t->len < more)
		size *= 2;
	if (size > t->max)
		size = t->max;
	if ((at = realloc(t->at, size)) == NULL)
		return -ENOMEM;
	t->at = at;
	t->size = size;
	return 0;
}

void text_add(struct text *t, const char *bytes, size_t len)
{
	if (t->err == 0 && len > t->size - t->len)
		t->err = grow(t, len);
	if (t->err < 0 || len == 0)
		return;
	memcpy(t->at + t->len, bytes, len);
	t->len += len;
}

void text_str(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void text_char(struct text *t, char c)
{
	text_add(t, &c, 1);
}
