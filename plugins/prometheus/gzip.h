/* One text as a gzip member (RFC 1952). */
#ifndef GZIP_H
#define GZIP_H

#include <stddef.h>

/* [any]  *out is GIVEN, to be freed.  -ENOMEM, and *out is NULL. */
int gzip_pack(const void *bytes, size_t len, void **out, size_t *out_len);

#endif
