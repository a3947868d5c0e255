/* The PROXY header: what is one, what only begins one, and what is none. */
#include "proxy_header.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
/* From 192.0.2.1:40000 to 203.0.113.7:443. */
#define V4 "\xc0\x00\x02\x01\xcb\x00\x71\x07\x9c\x40\x01\xbb"
#define V6_A "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define V6_B "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define V6 V6_A V6_B "\x9c\x40\x01\xbb"
#define BYTES(s) s, sizeof(s) - 1

/* Source and destination as text, "" for AF_UNSPEC. */
static const struct header {
	const char *bytes;
	size_t len;
	const char *source, *destination;
} good[] = {
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.7 40000 443\r\n"), "192.0.2.1 40000", "203.0.113.7 443"},
    {BYTES("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n"), "0.0.0.0 0", "255.255.255.255 65535"},
    {BYTES("PROXY TCP6 2001:db8::1 2001:DB8::2 40000 443\r\n"), "2001:db8::1 40000",
     "2001:db8::2 443"},
    {BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535",
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535"},
    {BYTES("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), "::ffff:192.0.2.1 1", "::1 2"},
    {BYTES("PROXY UNKNOWN\r\n"), "", ""},
    {BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), /* 107 bytes */
     "", ""},
    {BYTES("PROXY UNKNOWN what ever  comes\r\n"), "", ""},
    {BYTES(SIGNATURE "\x21\x11\0\x0c" V4), "192.0.2.1 40000", "203.0.113.7 443"},
    {BYTES(SIGNATURE "\x21\x11\0\x13" V4 "\x04\0\x04\x01\x02\x03\x04"), "192.0.2.1 40000",
     "203.0.113.7 443"},
    {BYTES(SIGNATURE "\x21\x11\0\x0e" V4 "\xff\xff"), "192.0.2.1 40000", "203.0.113.7 443"},
    {BYTES(SIGNATURE "\x21\x21\0\x24" V6), "2001:db8::1 40000", "2001:db8::2 443"},
    {BYTES(SIGNATURE "\x21\x21\0\x27" V6 "\x05\0\0"), "2001:db8::1 40000", "2001:db8::2 443"},
    {BYTES(SIGNATURE "\x21\0\0\0"), "", ""},
    {BYTES(SIGNATURE "\x21\0\0\x05"
                     "abcde"),
     "", ""},
    {BYTES(SIGNATURE "\x20\0\0\0"), "", ""},
    {BYTES(SIGNATURE "\x20\x11\0\x0c" V4), "", ""},
    {BYTES(SIGNATURE "\x20\x11\0\x03"
                     "abc"),
     "", ""},
    {BYTES(SIGNATURE "\x20\xff\0\0"), "", ""},
};
#define N_GOOD (sizeof(good) / sizeof(good[0]))

static void expect_address(const struct sockaddr_storage *sa, const char *expected)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	char host[INET6_ADDRSTRLEN], text[80];

	if (expected[0] == '\0') {
		cr_expect_eq(sa->ss_family, AF_UNSPEC);
		return;
	}
	cr_assert_eq(sa->ss_family, strchr(expected, ':') ? AF_INET6 : AF_INET);
	if (sa->ss_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
	else
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
	snprintf(text, sizeof(text), "%s %u", host,
	         ntohs(sa->ss_family == AF_INET ? v4->sin_port : v6->sin6_port));
	cr_expect_str_eq(text, expected);
}

/* On a copy of its own of exactly that size, so that a sanitizer sees what is read too far. */
static int parse(const void *bytes, size_t n, struct proxy_header *out)
{
	void *copy = malloc(n ? n : 1);
	int r;

	memcpy(copy, bytes, n);
	memset(out, 0xa5, sizeof(*out));
	r = proxy_header_parse(copy, n, out);
	free(copy);
	return r;
}

Test(proxy_header, whole_ones)
{
	struct proxy_header out;

	for (size_t i = 0; i < N_GOOD; i++) {
		cr_assert_eq(parse(good[i].bytes, good[i].len, &out), 0, "header %zu", i);
		cr_expect_eq(out.len, good[i].len, "header %zu", i);
		expect_address(&out.source, good[i].source);
		expect_address(&out.destination, good[i].destination);
	}
}

Test(proxy_header, what_follows_is_not_looked_at)
{
	static const char *const more[] = {"\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	                                   "\x16\x03\x01"};
	struct proxy_header out;
	char bytes[512];

	for (size_t i = 0; i < N_GOOD; i++) {
		for (size_t j = 0; j < sizeof(more) / sizeof(more[0]); j++) {
			memcpy(bytes, good[i].bytes, good[i].len);
			strcpy(bytes + good[i].len, more[j]);
			cr_assert_eq(parse(bytes, good[i].len + strlen(more[j]), &out), 0,
			             "header %zu", i);
			cr_expect_eq(out.len, good[i].len);
			expect_address(&out.source, good[i].source);
		}
	}
}

Test(proxy_header, every_part_from_the_beginning_waits_for_more)
{
	struct proxy_header out;

	for (size_t i = 0; i < N_GOOD; i++) {
		for (size_t n = 0; n < good[i].len; n++)
			cr_assert_eq(parse(good[i].bytes, n, &out), -EAGAIN,
			             "header %zu, %zu bytes", i, n);
	}
}

/* Refused, however much of it has come: at the latest when all of it has. */
static void refuse(const char *bytes, size_t len)
{
	struct proxy_header out;
	int r = -EAGAIN;

	for (size_t n = 0; n <= len; n++) {
		int before = r;

		r = parse(bytes, n, &out);
		cr_assert(r == -EAGAIN || r == -EPROTO, "%d for %zu bytes of \"%.60s\"", r, n,
		          bytes);
		cr_assert(before == -EAGAIN || r == -EPROTO, "better with more: \"%.60s\"", bytes);
	}
	cr_expect_eq(r, -EPROTO, "waits for more than \"%.60s\"", bytes);
}

Test(proxy_header, wrong_lines)
{
	static const char *const bad[] = {
	    "GET / HTTP/1.1\r\n",
	    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	    "\x16\x03\x01",
	    "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
	    "PROXY\tTCP4 192.0.2.1 192.0.2.2 1 2\r\n",
	    "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
	    "PROXY\r\n",
	    "PROXY \r\n",
	    "PROXY TCP\r\n",
	    "PROXY TCP4\r\n",
	    "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
	    "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
	    "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
	    "PROXY UNKNOWNS\r\n",
	    "PROXY unknown\r\n",
	    "PROXY UNKNOWN\n\r\n",
	    "PROXY UNKNOWN\r\r\n",
	    "PROXY UNKNOWN \x01\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rx",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2  1 2\r\n",
	    "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
	    "PROXY TCP4 192.0.2.1\t192.0.2.2 1 2\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 65536 1\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 4294967297 1\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 18446744073709551617 1\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 1 00\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 0x1 2\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2 1 2a\r\n",
	    "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
	    "PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
	    "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
	    "PROXY TCP4 192.0.2.1 192.0.2.2.3 1 2\r\n",
	    "PROXY TCP4 ::1 192.0.2.2 1 2\r\n",
	    "PROXY TCP4 ::1 ::2 1 2\r\n",
	    "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
	    "PROXY TCP6 ::1 192.0.2.2 1 2\r\n",
	    "PROXY TCP6 ::g ::1 1 2\r\n",
	    "PROXY TCP6 [::1] ::1 1 2\r\n",
	    "PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
	    "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(bad[i], strlen(bad[i]));
	refuse(BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\0\r\n"));
	refuse(BYTES("PROXY UNKNOWN\0\r\n"));
}

Test(proxy_header, a_line_ends_within_107_bytes)
{
	struct proxy_header out;
	char line[200];
	size_t n;

	for (n = 20; n < 120; n++) {
		memset(line, 'x', sizeof(line));
		memcpy(line, "PROXY UNKNOWN ", 14);
		line[n - 2] = '\r';
		line[n - 1] = '\n';
		cr_expect_eq(parse(line, n, &out), n <= 107 ? 0 : -EPROTO, "%zu bytes", n);
	}
	memset(line + 14, 'x', sizeof(line) - 14);
	cr_expect_eq(parse(line, 105, &out), -EAGAIN);
	cr_expect_eq(parse(line, 106, &out), -EPROTO, "its end would come too late");
	cr_expect_eq(parse(line, sizeof(line), &out), -EPROTO);
}

Test(proxy_header, wrong_binary_ones)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
	    {BYTES("\r\n\r\n\0\r\nQUIT\r")},
	    {BYTES("\r\n\r\n\x01\r\nQUIT\n")},
	    {BYTES("\r\n\r\nGET")},
	    {BYTES("\r\r")},
	    {BYTES(SIGNATURE "\x11\x11\0\x0c" V4)}, /* version 1 */
	    {BYTES(SIGNATURE "\x31\x11\0\x0c" V4)},
	    {BYTES(SIGNATURE "\x01\x11\0\x0c" V4)},
	    {BYTES(SIGNATURE "\x22\x11\0\x0c" V4)}, /* neither LOCAL nor PROXY */
	    {BYTES(SIGNATURE "\x2f\x11\0\x0c" V4)},
	    {BYTES(SIGNATURE "\x21\x12\0\x0c" V4)}, /* datagrams */
	    {BYTES(SIGNATURE "\x21\x22\0\x24" V6)},
	    {BYTES(SIGNATURE "\x21\x10\0\x0c" V4)}, /* no transport */
	    {BYTES(SIGNATURE "\x21\x13\0\x0c" V4)},
	    {BYTES(SIGNATURE "\x21\x41\0\x0c" V4)}, /* no family */
	    {BYTES(SIGNATURE "\x21\x01\0\x0c" V4)},
	    {BYTES(SIGNATURE "\x21\xf1\0\x0c" V4)},
	    {BYTES(SIGNATURE "\x21\x11\0\x0b" V4)}, /* too small for the family */
	    {BYTES(SIGNATURE "\x21\x11\0\0" V4)},
	    {BYTES(SIGNATURE "\x21\x21\0\x23" V6)},
	    {BYTES(SIGNATURE "\x21\x21\0\x0c" V4)},
	    {BYTES(SIGNATURE "\x21\x31\0\x24" V6)},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(bad[i].bytes, bad[i].len);
}

/* Two names of 108 bytes, which nobody needs here. */
Test(proxy_header, unix_sockets)
{
	unsigned char bytes[16 + 216] = SIGNATURE "\x21\x31\0\xd8/run/x";
	struct proxy_header out;

	cr_assert_eq(parse(bytes, sizeof(bytes), &out), 0);
	cr_expect_eq(out.len, sizeof(bytes));
	cr_expect_eq(out.source.ss_family, AF_UNSPEC);
	cr_expect_eq(out.destination.ss_family, AF_UNSPEC);
	bytes[15] = 0xd7;
	cr_expect_eq(parse(bytes, sizeof(bytes), &out), -EPROTO);
}

Test(proxy_header, the_longest)
{
	unsigned char bytes[PROXY_HEADER_MAX + 1] = SIGNATURE "\x21\x11\0\0" V4;
	size_t len = PROXY_HEADER_MAX - 16;
	struct proxy_header out;

	bytes[14] = (unsigned char)(len >> 8);
	bytes[15] = (unsigned char)len;
	cr_expect_eq(parse(bytes, PROXY_HEADER_MAX - 1, &out), -EAGAIN);
	cr_expect_eq(parse(bytes, PROXY_HEADER_MAX, &out), 0);
	cr_expect_eq(out.len, PROXY_HEADER_MAX);
	expect_address(&out.source, "192.0.2.1 40000");
	bytes[15]++;
	cr_expect_eq(parse(bytes, 16, &out), -EPROTO, "at once, not when all of it has come");
	cr_expect_eq(parse(bytes, sizeof(bytes), &out), -EPROTO);
	bytes[14] = bytes[15] = 0xff;
	cr_expect_eq(parse(bytes, 16, &out), -EPROTO);
	bytes[12] = 0x20; /* LOCAL has to fit, too */
	cr_expect_eq(parse(bytes, 16, &out), -EPROTO);
}

static uint32_t below(uint32_t n)
{
	static uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return (state >> 8) % n;
}

/* Whatever is taken is within the bytes and has addresses of the families that it may have. */
static void expect_sound(const unsigned char *bytes, size_t n)
{
	struct proxy_header out, again;
	int r = parse(bytes, n, &out);

	cr_assert(r == 0 || r == -EAGAIN || r == -EPROTO, "%d", r);
	if (r != 0)
		return;
	cr_assert(out.len > 0 && out.len <= n && out.len <= PROXY_HEADER_MAX);
	cr_assert(out.source.ss_family == AF_UNSPEC || out.source.ss_family == AF_INET ||
	          out.source.ss_family == AF_INET6);
	cr_assert_eq(out.source.ss_family, out.destination.ss_family);
	cr_assert_eq(parse(bytes, out.len, &again), 0);
	cr_assert_eq(memcmp(&out, &again, sizeof(out)), 0);
	cr_assert_eq(parse(bytes, out.len - 1, &again), -EAGAIN);
}

Test(proxy_header, mutants)
{
	unsigned accepted = 0;

	for (unsigned i = 0; i < 200000; i++) {
		const struct header *h = &good[below(N_GOOD)];
		unsigned char bytes[256];
		size_t n = h->len + below(8);
		struct proxy_header out;

		memset(bytes, (int)below(256), sizeof(bytes));
		memcpy(bytes, h->bytes, h->len);
		for (unsigned m = 1 + below(3); m > 0; m--) {
			size_t at = below((uint32_t)n);

			if (below(3) == 0 && at + 1 < n)
				memmove(bytes + at, bytes + at + 1, n - at - 1);
			else
				bytes[at] = (unsigned char)below(256);
		}
		expect_sound(bytes, n);
		accepted += parse(bytes, n, &out) == 0;
	}
	cr_expect(accepted > 1000 && accepted < 150000, "%u accepted", accepted);
}
