/* The envelope scan: against messages that protobuf-c packed, against protobuf-c's decoder on
 * mutated ones, and against each way in which a message can be broken. */
#include "envelope.h"

#include "signalexchange.pb-c.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCAN(bytes) envelope_scan(&(struct envelope){0}, bytes, sizeof(bytes) - 1)

static size_t pack(unsigned char *out, const char *from, const char *to, size_t body)
{
	Signalexchange__EncryptedMessage msg = SIGNALEXCHANGE__ENCRYPTED_MESSAGE__INIT;
	unsigned char *bytes = calloc(1, body + 1);
	size_t len;

	msg.key = (char *)from;
	msg.remotekey = (char *)to;
	msg.body.data = bytes;
	msg.body.len = body;
	len = signalexchange__encrypted_message__pack(&msg, out);
	free(bytes);
	return len;
}

static void expect(const struct envelope *e, const char *from, const char *to)
{
	cr_assert_eq(e->from_len, strlen(from));
	cr_assert_arr_eq(e->from, from, e->from_len);
	cr_assert_eq(e->to_len, strlen(to));
	cr_assert_arr_eq(e->to, to, e->to_len);
}

Test(envelope, reads_what_protobuf_c_wrote)
{
	unsigned char wire[1024];
	struct envelope e;
	size_t len = pack(wire, "sender", "receiver", 400);

	cr_assert_eq(envelope_scan(&e, wire, len), 0);
	expect(&e, "sender", "receiver");
	cr_assert(e.to > (char *)wire && e.to < (char *)wire + len, "it must point into the wire");
}

Test(envelope, empty_message_has_empty_ids)
{
	struct envelope e;

	cr_assert_eq(envelope_scan(&e, NULL, 0), 0);
	expect(&e, "", "");
}

Test(envelope, unknown_fields_of_each_kind_are_passed_over)
{
	struct envelope e;
	static const char wire[] =
	    "\x12\x01"
	    "a"                                            /* key */
	    "\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" /* 5: varint, 10 bytes */
	    "\x31"
	    "12345678" /* 6: fixed64 */
	    "\x3d"
	    "1234" /* 7: fixed32 */
	    "\x42\x03"
	    "xyz" /* 8: bytes */
	    "\x1a\x01"
	    "b"; /* remoteKey */

	cr_assert_eq(envelope_scan(&e, wire, sizeof(wire) - 1), 0);
	expect(&e, "a", "b");
}

Test(envelope, the_last_of_repeated_ids_counts)
{
	struct envelope e;

	cr_assert_eq(envelope_scan(&e, "\x1a\x01x\x1a\x01y", 6), 0);
	expect(&e, "", "y");
}

Test(envelope, a_nul_belongs_to_the_id)
{
	struct envelope e;

	cr_assert_eq(envelope_scan(&e, "\x1a\x03x\0y", 5), 0);
	cr_assert_eq(e.to_len, 3);
}

Test(envelope, refuses_what_is_cut_short_at_every_byte_of_the_last_field)
{
	unsigned char wire[256];
	struct envelope e;
	size_t len = pack(wire, "sender", "receiver", 100);

	for (size_t cut = len - 101; cut < len; cut++)
		cr_assert_eq(envelope_scan(&e, wire, cut), -EBADMSG, "cut at %zu", cut);
}

Test(envelope, refuses_each_broken_form)
{
	cr_assert_eq(SCAN("\x02\x01x"), -EBADMSG, "field number 0");
	cr_assert_eq(SCAN("\x10\x01"), -EBADMSG, "key as a varint");
	cr_assert_eq(SCAN("\x25\x01\x01\x01\x01"), -EBADMSG, "body as fixed32");
	cr_assert_eq(SCAN("\x2b\x2c"), -EBADMSG, "a group");
	cr_assert_eq(SCAN("\x2e\x01"), -EBADMSG, "wire type 6");
	cr_assert_eq(SCAN("\x2f\x01"), -EBADMSG, "wire type 7");
	cr_assert_eq(SCAN("\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), -EBADMSG,
	             "over 64 bits");
	cr_assert_eq(SCAN("\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), -EBADMSG,
	             "11 bytes");
	cr_assert_eq(SCAN("\xa2\x80\x80\x80\x80\x00\x01x"), -EBADMSG, "a tag of 6 bytes");
	cr_assert_eq(SCAN("\x22\xff\xff\xff\xff\xff\x01x"), -EBADMSG, "a length of 6 bytes");
	cr_assert_eq(SCAN("\x22\xff\xff\xff\xff\x0f"), -EBADMSG, "a false length");
	cr_assert_eq(SCAN("not a message"), -EBADMSG, "text");
}

static int scan_id(const char *id)
{
	unsigned char wire[64];
	struct envelope e;
	size_t len = strlen(id);

	wire[0] = 0x1a;
	wire[1] = (unsigned char)len;
	memcpy(wire + 2, id, len);
	return envelope_scan(&e, wire, len + 2);
}

Test(envelope, ids_are_utf8)
{
	static const char *const good[] = {"a",
	                                   "\xc3\xa9",
	                                   "\xe2\x82\xac",
	                                   "\xf0\x9f\x98\x80",
	                                   "\xed\x9f\xbf",
	                                   "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"\x80",
	                                  "\xc0\xaf",
	                                  "\xc3",
	                                  "\xe0\x80\xaf",
	                                  "\xed\xa0\x80",
	                                  "\xf0\x80\x80\xaf",
	                                  "\xf4\x90\x80\x80",
	                                  "\xff",
	                                  "\xe2\x82",
	                                  "\xe2\x28\xa1"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_assert_eq(scan_id(good[i]), 0, "good %zu", i);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(scan_id(bad[i]), -EBADMSG, "bad %zu", i);
}

/* What the scan lets through, a receiver's decoder must read, and read the same. */
Test(envelope, agrees_with_protobuf_c_on_mutated_messages)
{
	unsigned char wire[256];
	unsigned accepted = 0;

	srand(1);
	for (unsigned round = 0; round < 200000; round++) {
		size_t len = pack(wire, "sender", "receiver", 20);
		Signalexchange__EncryptedMessage *msg;
		struct envelope e;

		for (int flips = rand() % 4; flips >= 0; flips--)
			wire[(size_t)rand() % len] = (unsigned char)rand();
		len -= rand() % 8 == 0;
		if (envelope_scan(&e, wire, len) < 0)
			continue;
		msg = signalexchange__encrypted_message__unpack(NULL, len, wire);
		cr_assert_not_null(msg, "round %u: only the scan accepts it", round);
		cr_assert_eq(strncmp(msg->key, e.from, e.from_len), 0);
		cr_assert_eq(strncmp(msg->remotekey, e.to, e.to_len), 0);
		signalexchange__encrypted_message__free_unpacked(msg, NULL);
		accepted++;
	}
	cr_assert_gt(accepted, 10000, "too few to mean anything: %u", accepted);
}
