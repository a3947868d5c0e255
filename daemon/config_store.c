/*
 * Strings that live as long as a configuration.
 */
#include "config_store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config_string {
	struct config_string *next;
	char text[];
};

static char *new_string(struct config_store *store, size_t len)
{
	struct config_string *s = malloc(sizeof(*s) + len + 1);

	if (!s)
		return NULL;
	s->text[len] = '\0';
	s->next = store->strings;
	store->strings = s;
	return s->text;
}

char *config_store_copy(struct config_store *store, const char *text, size_t len)
{
	char *copy = new_string(store, len);

	return copy ? memcpy(copy, text, len) : NULL;
}

char *config_store_print(struct config_store *store, const char *fmt, ...)
{
	va_list ap, again;
	char *text = NULL;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	if (len >= 0 && (text = new_string(store, (size_t)len)) != NULL)
		vsnprintf(text, (size_t)len + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return text;
}

void config_store_clear(struct config_store *store)
{
	struct config_string *s;

	while ((s = store->strings) != NULL) {
		store->strings = s->next;
		free(s);
	}
}
