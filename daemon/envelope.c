/*
 * Why not protobuf-c here: unpacking copies key, remoteKey and the whole body, and cannot tell an
 * id with a NUL in it from a shorter one; docs/DESIGN.md has the figures.  The unit test holds
 * this scan against protobuf-c's decoder.
 */
#include "envelope.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum wire_type { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

enum field { KEY = 2, REMOTE_KEY = 3, BODY = 4 };

struct cursor {
	const unsigned char *at, *end;
};

/* A tag or a length has 32 bits; a longer encoding is no encoder's. */
#define SHORT_BITS 35
#define LONG_BITS 70

static bool read_varint(struct cursor *c, uint64_t *value, unsigned bits)
{
	*value = 0;
	for (unsigned shift = 0; shift < bits; shift += 7) {
		unsigned char byte;

		if (c->at == c->end)
			return false;
		byte = *c->at++;
		if (shift == 63 && byte > 1)
			return false; /* more than 64 bits */
		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

static bool skip(struct cursor *c, uint64_t len)
{
	if (len > (uint64_t)(c->end - c->at))
		return false;
	c->at += len;
	return true;
}

static bool is_continuation(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* The length of the well-formed UTF-8 sequence at p, 0 if there is none (RFC 3629, section 4). */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < len)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0; /* no overlong forms */
	else if (p[0] == 0xed)
		high = 0x9f; /* no surrogates */
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f; /* nothing above U+10FFFF */
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (!is_continuation(p[i]))
			return 0;
	return len;
}

static bool is_utf8(const unsigned char *p, size_t len)
{
	size_t step;

	for (; len > 0; p += step, len -= step)
		if ((step = utf8_sequence(p, len)) == 0)
			return false;
	return true;
}

/* A length-delimited field; ids are noted in e, everything else is passed over. */
static bool scan_bytes(struct envelope *e, struct cursor *c, uint64_t field)
{
	const unsigned char *bytes;
	uint64_t len;

	if (!read_varint(c, &len, SHORT_BITS))
		return false;
	bytes = c->at;
	if (!skip(c, len))
		return false;
	if (field != KEY && field != REMOTE_KEY)
		return true;
	if (!is_utf8(bytes, (size_t)len))
		return false;
	if (field == KEY) {
		e->from = (const char *)bytes;
		e->from_len = (size_t)len;
	} else {
		e->to = (const char *)bytes;
		e->to_len = (size_t)len;
	}
	return true;
}

static bool scan_field(struct envelope *e, struct cursor *c)
{
	uint64_t tag, field, ignored;
	unsigned type;

	if (!read_varint(c, &tag, SHORT_BITS) || tag > UINT32_MAX)
		return false;
	field = tag >> 3;
	type = (unsigned)(tag & 7);
	if (field == 0 || (field >= KEY && field <= BODY && type != LENGTH))
		return false;
	switch (type) {
	case VARINT:
		return read_varint(c, &ignored, LONG_BITS);
	case FIXED64:
		return skip(c, 8);
	case FIXED32:
		return skip(c, 4);
	case LENGTH:
		return scan_bytes(e, c, field);
	default:
		return false;
	}
}

int envelope_scan(struct envelope *e, const void *wire, size_t len)
{
	struct cursor c = {wire, (const unsigned char *)wire + len};

	*e = (struct envelope){.from = "", .to = ""};
	if (len == 0)
		return 0; /* all fields absent; and wire may be NULL */
	while (c.at < c.end)
		if (!scan_field(e, &c))
			return -EBADMSG;
	return 0;
}
