/* What a terminal may get to see. */
#include "printable.h"

#include <stdint.h>

size_t printable_length(const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t len, i;
	uint32_t c;

	if (u[0] < 0x80)
		return u[0] >= 0x20 && u[0] != 0x7f;
	len = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
	if (u[0] < 0xc2 || u[0] > 0xf4 || len > n)
		return 0;
	c = u[0] & (0xffu >> (len + 1));
	for (i = 1; i < len; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3fu);
	}
	/* The first line are controls that a terminal obeys, the others no characters at all. */
	if (c < 0xa0 || (len == 3 && c < 0x800) || (c >= 0xd800 && c < 0xe000) ||
	    (len == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	return len;
}
