/* The first-bytes decision. */
#include "first_bytes.h"

#include <criterion/criterion.h>

#define JUDGE(s) first_bytes_judge(s, sizeof(s) - 1)
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Test(first_bytes, preface_is_decided_by_its_last_byte)
{
	for (size_t len = 0; len < sizeof(PREFACE) - 1; len++)
		cr_assert_eq(first_bytes_judge(PREFACE, len), FIRST_BYTES_MORE, "length %zu", len);
	cr_assert_eq(JUDGE(PREFACE), FIRST_BYTES_HTTP2);
	cr_assert_eq(JUDGE(PREFACE "more"), FIRST_BYTES_HTTP2);
}

Test(first_bytes, a_wrong_byte_anywhere_in_the_preface_is_no_preface)
{
	for (size_t at = 0; at < sizeof(PREFACE) - 1; at++) {
		char bytes[] = PREFACE;

		bytes[at] = 'x';
		cr_assert_neq(JUDGE(bytes), FIRST_BYTES_HTTP2, "byte %zu", at);
		cr_assert_neq(JUDGE(bytes), FIRST_BYTES_MORE, "byte %zu", at);
	}
}

Test(first_bytes, http1)
{
	cr_assert_eq(JUDGE("GET / HTTP/1.1\r\n"), FIRST_BYTES_HTTP1);
	cr_assert_eq(JUDGE("P"), FIRST_BYTES_MORE);
	cr_assert_eq(JUDGE("POST /"), FIRST_BYTES_HTTP1);
	cr_assert_eq(JUDGE("PRIX /"), FIRST_BYTES_HTTP1);
	cr_assert_eq(JUDGE("PRI / HTTP/1.1"), FIRST_BYTES_OTHER);
	cr_assert_eq(JUDGE("ABCDEFGHIJKLMNOPQ"), FIRST_BYTES_OTHER);
	cr_assert_eq(JUDGE("get /"), FIRST_BYTES_OTHER);
	cr_assert_eq(JUDGE(" GET"), FIRST_BYTES_OTHER);
}

Test(first_bytes, tls)
{
	cr_assert_eq(JUDGE("\x16"), FIRST_BYTES_MORE);
	cr_assert_eq(JUDGE("\x16\x03\x01\x02"), FIRST_BYTES_TLS);
	cr_assert_eq(JUDGE("\x16\x02"), FIRST_BYTES_OTHER);
}

Test(first_bytes, garbage)
{
	cr_assert_eq(JUDGE("\0"), FIRST_BYTES_OTHER);
	cr_assert_eq(JUDGE("\xff\xfe"), FIRST_BYTES_OTHER);
	cr_assert_eq(JUDGE("SSH-2.0-x"), FIRST_BYTES_OTHER);
}
