/* frame.c - gRPC's framing, and as much of protobuf as an EncryptedMessage needs. */
#include "frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX (16u << 20)

enum { FIELD_FROM = 2, FIELD_TO = 3, FIELD_BODY = 4, BYTES = 2 };

static uint8_t *put_field(uint8_t *at, unsigned field, size_t len)
{
	*at++ = (uint8_t)(field << 3 | BYTES);
	for (; len >= 0x80; len >>= 7)
		*at++ = (uint8_t)(len | 0x80);
	*at++ = (uint8_t)len;
	return at;
}

static void put_be32(uint8_t *at, size_t v)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(v >> (24 - 8 * i));
}

static size_t get_be32(const uint8_t *at)
{
	return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
}

int frame_new(struct frame *f, size_t body_len)
{
	uint8_t *at;

	if ((f->bytes = calloc(1, FRAME_PREFIX + 2 * (2 + FRAME_ID) + 8 + body_len)) == NULL)
		return -ENOMEM;
	f->body_len = body_len;
	f->from = put_field(f->bytes + FRAME_PREFIX, FIELD_FROM, FRAME_ID);
	f->to = put_field(f->from + FRAME_ID, FIELD_TO, FRAME_ID);
	f->body = put_field(f->to + FRAME_ID, FIELD_BODY, body_len);
	/* Like the ciphertext that it stands for, it must not compress or compare easily. */
	at = f->body;
	for (uint64_t x = 88172645463325252u, i = 0; i < body_len; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		*at++ = (uint8_t)x;
	}
	f->len = (size_t)(at - f->bytes);
	put_be32(f->bytes + 1, f->len - FRAME_PREFIX);
	return 0;
}

void frame_free(struct frame *f)
{
	free(f->bytes);
	f->bytes = NULL;
}

void frame_address(struct frame *f, const char from[static FRAME_ID],
                   const char to[static FRAME_ID], const struct frame_stamp *stamp)
{
	memcpy(f->from, from, FRAME_ID);
	memcpy(f->to, to, FRAME_ID);
	memcpy(f->body, stamp, sizeof(*stamp));
}

int frame_matches(const struct frame *f, const struct frame_view *v)
{
	return v->from_len == FRAME_ID && memcmp(v->from, f->from, FRAME_ID) == 0 &&
	       v->to_len == FRAME_ID && memcmp(v->to, f->to, FRAME_ID) == 0 &&
	       v->body_len == f->body_len && memcmp(v->body, f->body, f->body_len) == 0;
}

/* One field of wire type BYTES; NULL if there is none. */
static const uint8_t *get_field(const uint8_t *at, const uint8_t *end, unsigned *field, size_t *len)
{
	unsigned shift = 0;

	if (at == end || (*at & 7) != BYTES)
		return NULL;
	*field = *at++ >> 3;
	*len = 0;
	do {
		if (at == end || shift > 28)
			return NULL;
		*len |= (size_t)(*at & 0x7f) << shift;
		shift += 7;
	} while (*at++ & 0x80);
	return *len <= (size_t)(end - at) ? at : NULL;
}

int frame_parse(struct frame_view *v, struct frame_stamp *stamp, const uint8_t *msg, size_t len)
{
	const uint8_t *at = msg, *end = msg + len, *value;
	unsigned field;
	size_t n;

	memset(v, 0, sizeof(*v));
	for (; at < end; at = value + n) {
		if ((value = get_field(at, end, &field, &n)) == NULL)
			return -EBADMSG;
		if (field == FIELD_FROM)
			v->from = value, v->from_len = n;
		else if (field == FIELD_TO)
			v->to = value, v->to_len = n;
		else if (field == FIELD_BODY)
			v->body = value, v->body_len = n;
		else
			return -EBADMSG;
	}
	if (v->from == NULL || v->to == NULL || v->body_len < FRAME_BODY_MIN)
		return -EBADMSG;
	memcpy(stamp, v->body, sizeof(*stamp));
	return 0;
}

static int hold(struct frame_reader *r, const uint8_t *bytes, size_t len)
{
	uint8_t *grown;
	size_t need = r->len + len;

	if (need > r->room) {
		if ((grown = realloc(r->held, need * 2)) == NULL)
			return -ENOMEM;
		r->held = grown;
		r->room = need * 2;
	}
	memcpy(r->held + r->len, bytes, len);
	r->len = need;
	return 0;
}

/* Hands over what is whole; returns how many bytes that was. */
static ssize_t deliver(const uint8_t *bytes, size_t len,
                       int (*message)(void *arg, const uint8_t *msg, size_t len), void *arg)
{
	size_t used = 0, size;
	int r;

	while (len - used >= FRAME_PREFIX) {
		size = get_be32(bytes + used + 1);
		if (bytes[used] != 0 || size > MESSAGE_MAX)
			return -EBADMSG;
		if (len - used - FRAME_PREFIX < size)
			break;
		if ((r = message(arg, bytes + used + FRAME_PREFIX, size)) < 0)
			return r;
		used += FRAME_PREFIX + size;
	}
	return (ssize_t)used;
}

int frame_read(struct frame_reader *r, const uint8_t *bytes, size_t len,
               int (*message)(void *arg, const uint8_t *msg, size_t len), void *arg)
{
	ssize_t used;
	int err;

	if (r->len == 0) { /* mostly all of it is here: no copy */
		if ((used = deliver(bytes, len, message, arg)) < 0)
			return (int)used;
		return (size_t)used < len ? hold(r, bytes + used, len - (size_t)used) : 0;
	}
	if ((err = hold(r, bytes, len)) < 0)
		return err;
	/* Trying at each piece of a large message costs a look at its prefix. */
	if ((used = deliver(r->held, r->len, message, arg)) < 0)
		return (int)used;
	r->len -= (size_t)used;
	if (r->len == 0)
		frame_reader_free(r);
	else if (used > 0)
		memmove(r->held, r->held + used, r->len);
	return 0;
}

void frame_reader_free(struct frame_reader *r)
{
	free(r->held);
	memset(r, 0, sizeof(*r));
}
