/* What the fuzz targets share. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

const uint8_t *fuzz_exactly(const uint8_t *bytes, size_t n)
{
	static uint8_t *block;

	if (block == NULL && (block = malloc(FUZZ_MAX)) == NULL)
		abort();
	FUZZ_ASSERT(n <= FUZZ_MAX);
	if (n > 0)
		memcpy(block + FUZZ_MAX - n, bytes, n);
	return block + FUZZ_MAX - n;
}
