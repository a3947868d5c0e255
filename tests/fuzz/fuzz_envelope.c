/*
 * The envelope scan, held against protobuf-c's decoder.
 *
 * Asserted: what the scan lets through protobuf-c decodes, to the same ids, byte by byte; what
 * protobuf-c makes of it the scan reads again, to the same ids; ids are UTF-8 as a decoder of
 * characters understands it; and serialized messages that follow one another are one message, in
 * which the last id counts (protobuf.dev, "Last One Wins").  Messages that this file writes are
 * accepted.
 */
#include "envelope.h"
#include "fuzz.h"

#include "signalexchange.pb-c.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef Signalexchange__EncryptedMessage Message;

#define SPLIT_MAX 512 /* bytes; every split of a longer input would be slow */

/* The value of the UTF-8 character at p, -1 if there is none; *len is its length. */
static long character(const uint8_t *p, size_t left, size_t *len)
{
	static const struct {
		uint8_t mask, lead;
		long least;
	} forms[] = {
	    {0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	long value;

	for (*len = 1; *len <= 4; ++*len)
		if ((p[0] & forms[*len - 1].mask) == forms[*len - 1].lead)
			break;
	if (*len > 4 || *len > left)
		return -1;
	value = p[0] & (uint8_t)~forms[*len - 1].mask;
	for (size_t i = 1; i < *len; i++) {
		if (p[i] >> 6 != 2)
			return -1;
		value = value << 6 | (p[i] & 0x3f);
	}
	if (value < forms[*len - 1].least || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return -1;
	return value;
}

static bool is_text(const char *id, size_t len)
{
	size_t step;

	for (; len > 0; id += step, len -= step)
		if (character((const uint8_t *)id, len, &step) < 0)
			return false;
	return true;
}

/* Whether the message has that id, perhaps an empty one. */
static bool present(const char *id, const uint8_t *wire, size_t n)
{
	return id >= (const char *)wire && id <= (const char *)wire + n;
}

static void check_ids(const struct envelope *e, const uint8_t *wire, size_t n)
{
	FUZZ_ASSERT(present(e->from, wire, n) || (e->from_len == 0 && *e->from == '\0'));
	FUZZ_ASSERT(present(e->to, wire, n) || (e->to_len == 0 && *e->to == '\0'));
	if (present(e->from, wire, n))
		FUZZ_ASSERT(e->from_len <= (size_t)((const char *)wire + n - e->from));
	if (present(e->to, wire, n))
		FUZZ_ASSERT(e->to_len <= (size_t)((const char *)wire + n - e->to));
	FUZZ_ASSERT(is_text(e->from, e->from_len));
	FUZZ_ASSERT(is_text(e->to, e->to_len));
}

/* protobuf-c ends its copy of an id with NUL. */
static bool equals(const char *copy, const char *id, size_t len)
{
	return memcmp(copy, id, len) == 0 && copy[len] == '\0';
}

static void check_packed_again(const Message *msg, const struct envelope *e)
{
	const size_t n = signalexchange__encrypted_message__get_packed_size(msg);
	uint8_t *wire = malloc(n + 1);
	struct envelope again;

	if (wire == NULL)
		abort();
	signalexchange__encrypted_message__pack(msg, wire);
	FUZZ_ASSERT(envelope_scan(&again, wire, n) == 0);
	/* To protobuf-c an id ends at its first NUL. */
	FUZZ_ASSERT(again.from_len == strnlen(e->from, e->from_len));
	FUZZ_ASSERT(memcmp(again.from, e->from, again.from_len) == 0);
	FUZZ_ASSERT(again.to_len == strnlen(e->to, e->to_len));
	FUZZ_ASSERT(memcmp(again.to, e->to, again.to_len) == 0);
	free(wire);
}

static void check_against_protobuf_c(const struct envelope *e, const uint8_t *wire, size_t n)
{
	Message *msg = signalexchange__encrypted_message__unpack(NULL, n, wire);

	FUZZ_ASSERT(msg != NULL);
	FUZZ_ASSERT(equals(msg->key, e->from, e->from_len));
	FUZZ_ASSERT(equals(msg->remotekey, e->to, e->to_len));
	check_packed_again(msg, e);
	signalexchange__encrypted_message__free_unpacked(msg, NULL);
}

/* What follows a whole message is one or the whole is none. */
static void check_split(const uint8_t *wire, size_t n, size_t at, int whole_r,
                        const struct envelope *whole)
{
	struct envelope first, second;

	if (envelope_scan(&first, fuzz_exactly(wire, at), at) < 0)
		return;
	FUZZ_ASSERT(envelope_scan(&first, wire, at) == 0);
	FUZZ_ASSERT(envelope_scan(&second, wire + at, n - at) == whole_r);
	if (whole_r < 0)
		return;
	if (!present(second.from, wire + at, n - at))
		second.from = first.from, second.from_len = first.from_len;
	if (!present(second.to, wire + at, n - at))
		second.to = first.to, second.to_len = first.to_len;
	FUZZ_ASSERT(whole->from_len == second.from_len && whole->to_len == second.to_len);
	FUZZ_ASSERT(memcmp(whole->from, second.from, second.from_len) == 0);
	FUZZ_ASSERT(memcmp(whole->to, second.to, second.to_len) == 0);
}

/* --- messages that are right ----------------------------------------------------------------- */

struct recipe {
	const uint8_t *at, *end;
};

static uint8_t next(struct recipe *r)
{
	return r->at < r->end ? *r->at++ : 0;
}

/* A field of no id, of any wire type; returns where it ends. */
static uint8_t *write_unknown(struct recipe *r, uint8_t *out)
{
	static const uint8_t types[] = {0, 1, 2, 5}, lengths[] = {0, 8, 0, 4};
	const unsigned choice = next(r) % 4, field = 5 + next(r) % 11;
	size_t len = lengths[choice];

	*out++ = (uint8_t)(field << 3 | types[choice]);
	if (choice == 0)
		for (len = 1 + next(r) % 9; len > 1; len--)
			*out++ = next(r) | 0x80;
	if (choice == 0)
		*out++ = next(r) & 0x7f;
	if (choice == 2)
		*out++ = (uint8_t)(len = next(r) % 20);
	for (; choice != 0 && len > 0; len--)
		*out++ = next(r);
	return out;
}

static void make_id(struct recipe *r, char id[static 32])
{
	size_t len = next(r) % 32;

	for (size_t i = 0; i < len; i++)
		id[i] = (char)(1 + next(r) % 127);
	id[len] = '\0';
}

/* Packed by protobuf-c, with fields around it that it does not know. */
static void check_written(const uint8_t *bytes, size_t n)
{
	struct recipe r = {bytes, bytes + n};
	uint8_t wire[1024], *at = wire;
	char from[32], to[32];
	Message msg = SIGNALEXCHANGE__ENCRYPTED_MESSAGE__INIT;
	struct envelope e;

	make_id(&r, msg.key = from);
	make_id(&r, msg.remotekey = to);
	msg.body.data = (uint8_t *)from;
	msg.body.len = strlen(from);
	for (unsigned fields = next(&r) % 8; fields > 0; fields--)
		at = write_unknown(&r, at);
	at += signalexchange__encrypted_message__pack(&msg, at);
	for (unsigned fields = next(&r) % 8; fields > 0; fields--)
		at = write_unknown(&r, at);
	n = (size_t)(at - wire);
	FUZZ_ASSERT(envelope_scan(&e, fuzz_exactly(wire, n), n) == 0);
	FUZZ_ASSERT(e.from_len == strlen(from) && memcmp(e.from, from, e.from_len) == 0);
	FUZZ_ASSERT(e.to_len == strlen(to) && memcmp(e.to, to, e.to_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct envelope e;
	const int r = envelope_scan(&e, bytes, n);

	FUZZ_ASSERT(r == 0 || r == -EBADMSG);
	if (r == 0) {
		check_ids(&e, bytes, n);
		check_against_protobuf_c(&e, bytes, n);
	}
	for (size_t at = 0; at <= n && n <= SPLIT_MAX; at++)
		check_split(bytes, n, at, r, &e);
	check_written(bytes, n);
	return 0;
}
