/* zlib in one call. */
#include "gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* 16: with gzip's header */
#define MEMORY_LEVEL 8

int gzip_pack(const void *bytes, size_t len, void **out, size_t *out_len)
{
	z_stream z = {.next_in = (Bytef *)bytes, .avail_in = (uInt)len};
	uLong bound;
	int r;

	*out = NULL;
	/* The text is the same words over and over; more effort takes longer for little. */
	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
	                 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	bound = deflateBound(&z, (uLong)len);
	if ((*out = malloc(bound)) == NULL) {
		deflateEnd(&z);
		return -ENOMEM;
	}
	z.next_out = *out;
	z.avail_out = (uInt)bound;
	r = deflate(&z, Z_FINISH); /* `bound` is always enough */
	*out_len = z.total_out;
	deflateEnd(&z);
	if (r == Z_STREAM_END)
		return 0;
	free(*out);
	*out = NULL;
	return -ENOMEM;
}
