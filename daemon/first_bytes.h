/* What a connection speaks, judged by the first bytes that its client sent.  A pure function. */
#ifndef FIRST_BYTES_H
#define FIRST_BYTES_H

#include <stddef.h>

/* As many bytes as ever have to be looked at: HTTP/2's client preface (RFC 9113, 3.4). */
#define FIRST_BYTES_MAX 24

enum first_bytes {
	FIRST_BYTES_MORE,  /* so far the beginning of something that is known */
	FIRST_BYTES_HTTP2, /* the whole client preface */
	FIRST_BYTES_HTTP1, /* a request line begins (RFC 9112, 3) */
	FIRST_BYTES_TLS,   /* a ClientHello begins (RFC 8446, 5.1) */
	FIRST_BYTES_OTHER
};

enum first_bytes first_bytes_judge(const void *bytes, size_t len);

#endif
