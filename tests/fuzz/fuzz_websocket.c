/*
 * The light transport's framing: pieces of WebSocket messages become whole messages.
 *
 * The input: a byte that chooses the limit, then pieces, each a byte (flags in the low three bits,
 * length above; 31: two more bytes of length) and its content, which is made up where the input
 * ends or the length is long.  A model keeps every byte of the message that is half here.
 *
 * Asserted: a message is the concatenation of its pieces; no more than the limit is ever kept or
 * given; a fault is reported by its name and only where the model sees it; what assemble_need()
 * says is what is then allocated; and nothing is copied of a message in one piece.
 */
#include "fuzz.h"
#include "websocket/assemble.h"

#include <netbird-signal/plugin.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_MAX 65536
#define PIECES_MAX (4 * MODEL_MAX) /* bytes of all pieces; more only takes time */

struct input {
	const uint8_t *at, *end;
};

struct model {
	uint8_t bytes[MODEL_MAX];
	size_t len, max;
	bool half;
};

static unsigned take(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* In an allocation of its own, so that keeping a pointer to it or reading beyond it shows. */
static uint8_t *make_piece(struct input *in, unsigned head, size_t *len)
{
	const bool is_long = head >> 3 == 31;
	uint8_t *piece;

	*len = head >> 3;
	if (is_long) {
		*len = take(in) << 8;
		*len |= take(in);
	}
	if ((piece = malloc(*len)) == NULL && *len > 0)
		abort();
	for (size_t i = 0; i < *len; i++)
		piece[i] = is_long || in->at == in->end ? (uint8_t)(*len + 31 * i) : *in->at++;
	return piece;
}

static bool is_fault(const struct model *m, int r, size_t len, unsigned flags)
{
	switch (r) {
	case -EPROTO:
		return (flags & NBS_WS_FIRST) ? m->half : !m->half;
	case -EPROTOTYPE:
		return flags & NBS_WS_TEXT;
	case -EMSGSIZE:
		return len > m->max || m->len > m->max - len;
	default:
		return false;
	}
}

static bool is_faulty(const struct model *m, size_t len, unsigned flags)
{
	return is_fault(m, -EPROTO, len, flags) || is_fault(m, -EPROTOTYPE, len, flags) ||
	       is_fault(m, -EMSGSIZE, len, flags);
}

static void add(struct model *m, const uint8_t *piece, size_t len)
{
	FUZZ_ASSERT(len <= MODEL_MAX - m->len);
	if (len > 0)
		memcpy(m->bytes + m->len, piece, len);
	m->len += len;
}

static void check_message(const struct model *m, const struct iovec *message, int n)
{
	size_t len = 0;

	FUZZ_ASSERT(n >= 1 && n <= ASSEMBLE_PARTS);
	for (int i = 0; i < n; i++) {
		FUZZ_ASSERT(message[i].iov_len <= m->len - len);
		if (message[i].iov_len > 0)
			FUZZ_ASSERT(
			    memcmp(message[i].iov_base, m->bytes + len, message[i].iov_len) == 0);
		len += message[i].iov_len;
	}
	FUZZ_ASSERT(len == m->len && len <= m->max);
}

/* Between two pieces. */
static void check_kept(const struct model *m, const struct assembly *a)
{
	FUZZ_ASSERT(a->half == m->half);
	FUZZ_ASSERT(a->len == m->len && a->len <= a->cap && a->cap <= m->max);
	FUZZ_ASSERT((a->bytes == NULL) == (a->cap == 0));
	if (a->len > 0)
		FUZZ_ASSERT(memcmp(a->bytes, m->bytes, a->len) == 0);
}

static void forget(struct model *m, struct assembly *a)
{
	assemble_reset(a);
	m->len = 0;
	m->half = false;
	check_kept(m, a);
}

static void feed(struct model *m, struct assembly *a, const uint8_t *piece, size_t len,
                 unsigned flags)
{
	const bool faulty = is_faulty(m, len, flags), alone = m->len == 0;
	const size_t need = assemble_need(a, len, flags, m->max), had = a->cap;
	struct iovec message[ASSEMBLE_PARTS] = {{NULL, 0}, {NULL, 0}};
	const int r = assemble_piece(a, piece, len, flags, m->max, message);

	FUZZ_ASSERT(need >= had);
	if (r < 0) {
		FUZZ_ASSERT(faulty && is_fault(m, r, len, flags));
		FUZZ_ASSERT(need == had);
		forget(m, a);
		return;
	}
	FUZZ_ASSERT(!faulty);
	FUZZ_ASSERT(a->cap == need);
	FUZZ_ASSERT((r > 0) == ((flags & NBS_WS_FINAL) != 0));
	add(m, piece, len);
	m->half = true;
	if (r == 0)
		return;
	check_message(m, message, r);
	if (alone && len > 0)
		FUZZ_ASSERT(r == 1 && message[0].iov_base == (const void *)piece);
	forget(m, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const size_t limits[] = {1, 16, 1000, MODEL_MAX};
	static struct model m;
	struct input in = {bytes, bytes + n};
	struct assembly a = {0};
	size_t made = 0;

	m.max = limits[take(&in) % (sizeof(limits) / sizeof(limits[0]))];
	m.len = 0;
	m.half = false;
	while (in.at < in.end && made < PIECES_MAX) {
		const unsigned head = take(&in);
		size_t len;
		uint8_t *piece = make_piece(&in, head, &len);

		feed(&m, &a, piece, len, head & 7);
		check_kept(&m, &a);
		free(piece);
		made += len;
	}
	assemble_reset(&a);
	return 0;
}
