/* The first-bytes decision. */
#include "first_bytes.h"

#include <string.h>

static const char preface[FIRST_BYTES_MAX + 1] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* A TLS record of type handshake (22) and of version 3.x. */
static enum first_bytes judge_tls(const unsigned char *p, size_t len)
{
	if (len < 2)
		return FIRST_BYTES_MORE;
	return p[1] == 3 ? FIRST_BYTES_TLS : FIRST_BYTES_OTHER;
}

/* A method is upper case letters, at most this many here, and then a space. */
#define METHOD_MAX 16

static enum first_bytes judge_http1(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len && i <= METHOD_MAX; i++) {
		if (p[i] == ' ' && i > 0)
			return FIRST_BYTES_HTTP1;
		if (p[i] < 'A' || p[i] > 'Z')
			return FIRST_BYTES_OTHER;
	}
	return len > METHOD_MAX ? FIRST_BYTES_OTHER : FIRST_BYTES_MORE;
}

enum first_bytes first_bytes_judge(const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	if (len == 0)
		return FIRST_BYTES_MORE;
	if (len > FIRST_BYTES_MAX)
		len = FIRST_BYTES_MAX;
	if (memcmp(p, preface, len) == 0)
		return len == FIRST_BYTES_MAX ? FIRST_BYTES_HTTP2 : FIRST_BYTES_MORE;
	if (len > 4 && memcmp(p, preface, 4) == 0)
		return FIRST_BYTES_OTHER; /* "PRI " is reserved for the preface (RFC 9113, 11.6) */
	if (p[0] == 22)
		return judge_tls(p, len);
	return judge_http1(p, len);
}
