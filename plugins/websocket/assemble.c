/* From the pieces of WebSocket messages to whole messages. */
#include "assemble.h"

#include <netbird-signal/plugin.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void assemble_reset(struct assembly *a)
{
	free(a->bytes);
	*a = (struct assembly){0};
}

static int check(const struct assembly *a, size_t len, unsigned flags, size_t max)
{
	if (!(flags & NBS_WS_FIRST) != a->half)
		return -EPROTO;
	if (flags & NBS_WS_TEXT)
		return -EPROTOTYPE;
	return len > max || a->len > max - len ? -EMSGSIZE : 0;
}

size_t assemble_need(const struct assembly *a, size_t len, unsigned flags, size_t max)
{
	size_t need;

	/* The last piece stays where it is. */
	if ((flags & NBS_WS_FINAL) || check(a, len, flags, max) < 0)
		return a->cap;
	need = a->len + len;
	if (need <= a->cap)
		return a->cap;
	if (a->cap > max / 2)
		return max;
	return need > 2 * a->cap ? need : 2 * a->cap;
}

static int keep(struct assembly *a, const void *bytes, size_t len, size_t need)
{
	unsigned char *grown;

	if (need > a->cap) {
		if ((grown = realloc(a->bytes, need)) == NULL)
			return -ENOMEM;
		a->bytes = grown;
		a->cap = need;
	}
	if (len > 0)
		memcpy(a->bytes + a->len, bytes, len);
	a->len += len;
	a->half = true;
	return 0;
}

int assemble_piece(struct assembly *a, const void *bytes, size_t len, unsigned flags, size_t max,
                   struct iovec message[static ASSEMBLE_PARTS])
{
	int r = check(a, len, flags, max), n = 0;

	if (r < 0)
		return r;
	if (!(flags & NBS_WS_FINAL))
		return keep(a, bytes, len, assemble_need(a, len, flags, max));
	if (a->len > 0)
		message[n++] = (struct iovec){a->bytes, a->len};
	if (len > 0 || n == 0)
		message[n++] = (struct iovec){(void *)bytes, len};
	a->half = false;
	return n;
}
