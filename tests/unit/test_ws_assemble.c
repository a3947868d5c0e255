/* From the pieces of WebSocket messages to whole ones. */
#include "../../plugins/websocket/assemble.h"

#include <netbird-signal/plugin.h>

#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST NBS_WS_FIRST
#define FINAL NBS_WS_FINAL
#define TEXT NBS_WS_TEXT
#define MAX 64

static int piece(struct assembly *a, const char *bytes, unsigned flags,
                 struct iovec message[static ASSEMBLE_PARTS])
{
	return assemble_piece(a, bytes, strlen(bytes), flags, MAX, message);
}

/* Whether the parts are these bytes. */
static bool equals(const struct iovec *message, int parts, const char *bytes, size_t len)
{
	for (int i = 0; i < parts; i++) {
		if (message[i].iov_len > len ||
		    memcmp(message[i].iov_base, bytes, message[i].iov_len) != 0)
			return false;
		bytes += message[i].iov_len;
		len -= message[i].iov_len;
	}
	return len == 0;
}

Test(ws_assemble, one_piece_is_not_copied)
{
	struct iovec message[ASSEMBLE_PARTS];
	const char *bytes = "whole";
	struct assembly a = {0};

	cr_assert_eq(piece(&a, bytes, FIRST | FINAL, message), 1);
	cr_assert_eq(message[0].iov_base, bytes);
	cr_assert_eq(message[0].iov_len, 5);
	cr_assert_eq(a.bytes, NULL);
	cr_assert_not(a.half);
}

Test(ws_assemble, an_empty_message_is_one)
{
	struct iovec message[ASSEMBLE_PARTS];
	struct assembly a = {0};

	cr_assert_eq(piece(&a, "", FIRST | FINAL, message), 1);
	cr_assert_eq(message[0].iov_len, 0);
	cr_assert_eq(piece(&a, "", FIRST, message), 0);
	cr_assert(a.half);
	cr_assert_eq(piece(&a, "", 0, message), 0);
	cr_assert_eq(piece(&a, "", FINAL, message), 1);
	cr_assert_eq(message[0].iov_len, 0);
}

Test(ws_assemble, every_cut_into_three)
{
	const char text[] = "abcdefghijklmnop";
	const size_t n = strlen(text);

	for (size_t i = 0; i <= n; i++) {
		for (size_t j = i; j <= n; j++) {
			struct iovec message[ASSEMBLE_PARTS];
			struct assembly a = {0};
			int parts;

			cr_assert_eq(assemble_piece(&a, text, i, FIRST, MAX, message), 0);
			cr_assert_eq(assemble_piece(&a, text + i, j - i, 0, MAX, message), 0);
			parts = assemble_piece(&a, text + j, n - j, FINAL, MAX, message);
			cr_assert(parts == 1 || parts == 2);
			cr_assert(equals(message, parts, text, n), "cut at %zu and %zu", i, j);
			assemble_reset(&a);
			cr_assert_eq(a.bytes, NULL);
		}
	}
}

Test(ws_assemble, the_last_piece_stays_where_it_is)
{
	struct iovec message[ASSEMBLE_PARTS];
	const char *last = "last";
	struct assembly a = {0};

	cr_assert_eq(piece(&a, "first", FIRST, message), 0);
	cr_assert_eq(a.cap, 5);
	cr_assert_eq(assemble_need(&a, 4, FINAL, MAX), 5);
	cr_assert_eq(piece(&a, last, FINAL, message), 2);
	cr_assert_eq(message[1].iov_base, last);
	assemble_reset(&a);
}

Test(ws_assemble, too_large_as_soon_as_that_is_certain)
{
	struct iovec message[ASSEMBLE_PARTS];
	char bytes[MAX + 1] = {0};
	struct assembly a = {0};

	cr_assert_eq(assemble_piece(&a, bytes, MAX, FIRST | FINAL, MAX, message), 1);
	cr_assert_eq(assemble_piece(&a, bytes, MAX + 1, FIRST | FINAL, MAX, message), -EMSGSIZE);
	cr_assert_eq(assemble_piece(&a, bytes, MAX + 1, FIRST, MAX, message), -EMSGSIZE);
	cr_assert_eq(a.bytes, NULL);
	cr_assert_eq(assemble_piece(&a, bytes, MAX, FIRST, MAX, message), 0);
	cr_assert_eq(assemble_piece(&a, bytes, 0, 0, MAX, message), 0);
	cr_assert_eq(assemble_piece(&a, bytes, 1, 0, MAX, message), -EMSGSIZE);
	assemble_reset(&a);
	cr_assert_eq(assemble_piece(&a, bytes, 1, FIRST, MAX, message), 0);
	cr_assert_eq(assemble_piece(&a, bytes, MAX - 1, FINAL, MAX, message), 2);
	assemble_reset(&a);
	cr_assert_eq(assemble_piece(&a, bytes, 1, FIRST, MAX, message), 0);
	cr_assert_eq(assemble_piece(&a, bytes, MAX, FINAL, MAX, message), -EMSGSIZE);
	cr_assert_eq(assemble_piece(&a, bytes, SIZE_MAX, FINAL, MAX, message), -EMSGSIZE);
	assemble_reset(&a);
}

Test(ws_assemble, text_is_refused)
{
	struct iovec message[ASSEMBLE_PARTS];
	struct assembly a = {0};

	cr_assert_eq(piece(&a, "x", FIRST | FINAL | TEXT, message), -EPROTOTYPE);
	cr_assert_eq(piece(&a, "x", FIRST | TEXT, message), -EPROTOTYPE);
	cr_assert_eq(a.bytes, NULL);
}

Test(ws_assemble, order)
{
	struct iovec message[ASSEMBLE_PARTS];
	struct assembly a = {0};

	cr_assert_eq(piece(&a, "x", 0, message), -EPROTO);
	cr_assert_eq(piece(&a, "x", FINAL, message), -EPROTO);
	cr_assert_eq(piece(&a, "", FIRST, message), 0);
	cr_assert_eq(piece(&a, "x", FIRST, message), -EPROTO);
	cr_assert_eq(piece(&a, "x", FIRST | FINAL, message), -EPROTO);
	cr_assert_eq(piece(&a, "x", FINAL, message), 1);
}

/* The buffer is what assemble_need() said, and never larger than a message may be. */
Test(ws_assemble, the_buffer_grows_as_announced)
{
	struct iovec message[ASSEMBLE_PARTS];
	struct assembly a = {0};
	char bytes[MAX] = {0};

	for (size_t step = 1; step <= MAX; step++) {
		for (size_t sum = 0; sum + step <= MAX; sum += step) {
			const size_t need = assemble_need(&a, step, sum == 0 ? FIRST : 0, MAX);

			cr_assert_leq(need, MAX);
			cr_assert_geq(need, sum + step);
			cr_assert_eq(
			    assemble_piece(&a, bytes, step, sum == 0 ? FIRST : 0, MAX, message), 0);
			cr_assert_eq(a.cap, need);
		}
		cr_assert_eq(assemble_need(&a, MAX, 0, MAX), a.cap, "refused: no other buffer");
		assemble_reset(&a);
	}
}
