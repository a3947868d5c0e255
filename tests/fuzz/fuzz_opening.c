/*
 * What a connection begins with: perhaps a PROXY header, then the bytes that say what it speaks.
 * Both parsers see the same input, and the first-bytes decision also what follows a header.
 *
 * Asserted: bytes come one by one, so a verdict stands whatever follows, and nothing but a true
 * beginning waits for more; an accepted header says what a second reading here finds in it; and
 * headers that this file writes are accepted.
 */
#include "first_bytes.h"
#include "fuzz.h"
#include "proxy_header.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* --- the first bytes ------------------------------------------------------------------------- */

static bool begins_with(const uint8_t *bytes, size_t n, const void *with, size_t len)
{
	return n >= len && memcmp(bytes, with, len) == 0;
}

static size_t upper_case(const uint8_t *bytes, size_t n)
{
	size_t i = 0;

	while (i < n && bytes[i] >= 'A' && bytes[i] <= 'Z')
		i++;
	return i;
}

static void check_verdict(const uint8_t *bytes, size_t n, enum first_bytes verdict)
{
	const size_t letters = upper_case(bytes, n);

	FUZZ_ASSERT((verdict == FIRST_BYTES_HTTP2) == begins_with(bytes, n, PREFACE, 24));
	FUZZ_ASSERT((verdict == FIRST_BYTES_TLS) == begins_with(bytes, n, "\x16\x03", 2));
	if (verdict == FIRST_BYTES_HTTP1) {
		FUZZ_ASSERT(letters > 0 && letters < n && bytes[letters] == ' ');
		FUZZ_ASSERT(!begins_with(bytes, n, "PRI ", 4));
	}
}

/* Some way to go on makes it something; otherwise a client would be waited for in vain. */
static void check_more(const uint8_t *bytes, size_t n)
{
	static const struct {
		const char *bytes;
		size_t len;
	} ends[] = {{PREFACE, 24}, {"\x16\x03", 2}, {" ", 1}};
	bool some = false;

	FUZZ_ASSERT(n < FIRST_BYTES_MAX);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const size_t at = ends[i].len > n ? n : 0; /* the space goes behind what there is */
		uint8_t whole[2 * FIRST_BYTES_MAX];
		enum first_bytes verdict;

		memcpy(whole, bytes, n);
		memcpy(whole + n, ends[i].bytes + at, ends[i].len - at);
		verdict = first_bytes_judge(whole, n + ends[i].len - at);
		some = some || (verdict != FIRST_BYTES_MORE && verdict != FIRST_BYTES_OTHER);
	}
	FUZZ_ASSERT(some);
}

static void check_first_bytes(const uint8_t *bytes, size_t n)
{
	enum first_bytes before = FIRST_BYTES_MORE;

	for (size_t len = 0; len <= n && len <= FIRST_BYTES_MAX + 1; len++) {
		const uint8_t *part = fuzz_exactly(bytes, len);
		const enum first_bytes verdict = first_bytes_judge(part, len);

		FUZZ_ASSERT(before == FIRST_BYTES_MORE || verdict == before);
		if (verdict == FIRST_BYTES_MORE)
			check_more(part, len);
		else
			check_verdict(part, len, verdict);
		before = verdict;
	}
	FUZZ_ASSERT(first_bytes_judge(bytes, n) == before);
}

/* --- the PROXY header ------------------------------------------------------------------------ */

#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V2_HEAD 16 /* signature, version and command, family, length */

static int family(const struct sockaddr_storage *address)
{
	return address->ss_family;
}

static const void *ip_of(const struct sockaddr_storage *address)
{
	return family(address) == AF_INET
	           ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
	           : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;
}

static unsigned port_of(const struct sockaddr_storage *address)
{
	return ntohs(family(address) == AF_INET
	                 ? ((const struct sockaddr_in *)address)->sin_port
	                 : ((const struct sockaddr_in6 *)address)->sin6_port);
}

/* The same addresses, and nothing of what was in the memory before. */
static bool same(const struct proxy_header *a, const struct proxy_header *b)
{
	if (a->len != b->len || family(&a->source) != family(&b->source) ||
	    family(&a->destination) != family(&b->destination))
		return false;
	if (family(&a->source) == AF_INET)
		return memcmp(&a->source, &b->source, sizeof(struct sockaddr_in)) == 0 &&
		       memcmp(&a->destination, &b->destination, sizeof(struct sockaddr_in)) == 0;
	if (family(&a->source) == AF_INET6)
		return memcmp(&a->source, &b->source, sizeof(struct sockaddr_in6)) == 0 &&
		       memcmp(&a->destination, &b->destination, sizeof(struct sockaddr_in6)) == 0;
	return true;
}

/* Version 1 is a line: written from the addresses it is the line that was read, but for the many
 * ways to write an IPv6 address, which are read once more. */
static void check_v1(const uint8_t *bytes, const struct proxy_header *h)
{
	const int af = family(&h->source);
	char line[108] = "", source[46], destination[46], ports[16], expected[160];
	struct in6_addr ip;

	FUZZ_ASSERT(h->len <= 107); /* proxy-protocol.txt, 2.1 */
	memcpy(line, bytes, h->len);
	FUZZ_ASSERT(memmem(line, h->len, "\r\n", 2) == line + h->len - 2);
	if (af == AF_UNSPEC) {
		FUZZ_ASSERT(strncmp(line, "PROXY UNKNOWN", 13) == 0);
		return;
	}
	FUZZ_ASSERT(strlen(line) == h->len);
	FUZZ_ASSERT(sscanf(line + 11, "%45[^ ] %45[^ ] %15[^\r]", source, destination, ports) == 3);
	snprintf(expected, sizeof(expected), "PROXY TCP%d %s %s %u %u\r\n", af == AF_INET ? 4 : 6,
	         source, destination, port_of(&h->source), port_of(&h->destination));
	FUZZ_ASSERT(strcmp(line, expected) == 0);
	FUZZ_ASSERT(inet_pton(af, source, &ip) == 1);
	FUZZ_ASSERT(memcmp(&ip, ip_of(&h->source), af == AF_INET ? 4 : 16) == 0);
	FUZZ_ASSERT(inet_pton(af, destination, &ip) == 1);
	FUZZ_ASSERT(memcmp(&ip, ip_of(&h->destination), af == AF_INET ? 4 : 16) == 0);
}

static unsigned u16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static void check_v2(const uint8_t *bytes, const struct proxy_header *h)
{
	const size_t ip = family(&h->source) == AF_INET ? 4 : 16;
	const uint8_t *at = bytes + V2_HEAD;

	FUZZ_ASSERT(h->len == V2_HEAD + u16(bytes + 14));
	FUZZ_ASSERT(bytes[12] == 0x20 || bytes[12] == 0x21);
	if (bytes[12] == 0x20)
		FUZZ_ASSERT(family(&h->source) == AF_UNSPEC);
	if (family(&h->source) == AF_UNSPEC)
		return;
	FUZZ_ASSERT(bytes[13] >> 4 == (ip == 4 ? 1 : 2));
	FUZZ_ASSERT(h->len >= V2_HEAD + 2 * ip + 4);
	FUZZ_ASSERT(memcmp(at, ip_of(&h->source), ip) == 0);
	FUZZ_ASSERT(memcmp(at + ip, ip_of(&h->destination), ip) == 0);
	FUZZ_ASSERT(port_of(&h->source) == u16(at + 2 * ip));
	FUZZ_ASSERT(port_of(&h->destination) == u16(at + 2 * ip + 2));
}

static void check_header(const uint8_t *bytes, size_t n, const struct proxy_header *h)
{
	struct proxy_header again;
	const int af = family(&h->source);

	FUZZ_ASSERT(h->len > 0 && h->len <= n && h->len <= PROXY_HEADER_MAX);
	FUZZ_ASSERT(af == AF_UNSPEC || af == AF_INET || af == AF_INET6);
	FUZZ_ASSERT(family(&h->destination) == af);
	memset(&again, 0xff, sizeof(again));
	FUZZ_ASSERT(proxy_header_parse(bytes, n, &again) == 0);
	FUZZ_ASSERT(same(h, &again));
	if (begins_with(bytes, h->len, V2_SIGNATURE, 12))
		check_v2(bytes, h);
	else
		check_v1(bytes, h);
}

/* The verdict on the whole; *header is 0 unless it is one. */
static void check_proxy(const uint8_t *bytes, size_t n, size_t *header)
{
	struct proxy_header first, h;
	int before = -EAGAIN;

	*header = 0;
	for (size_t len = 0; len <= n; len++) {
		const uint8_t *part = fuzz_exactly(bytes, len);
		int r;

		memset(&h, 0, sizeof(h));
		r = proxy_header_parse(part, len, &h);
		FUZZ_ASSERT(r == 0 || r == -EAGAIN || r == -EPROTO);
		FUZZ_ASSERT(before == -EAGAIN || r == before);
		if (r == -EAGAIN)
			FUZZ_ASSERT(len < PROXY_HEADER_MAX);
		if (r == 0 && before == -EAGAIN) {
			first = h;
			*header = h.len;
			FUZZ_ASSERT(h.len == len);
			check_header(part, len, &h);
		} else if (r == 0) {
			FUZZ_ASSERT(same(&h, &first));
		}
		before = r;
	}
}

/* --- headers that are right ------------------------------------------------------------------ */

#define V2_TCP6_LEN 36

/* The addresses are the input's bytes; what is behind them does not matter. */
static void check_accepted(const uint8_t *header, size_t len, int af, const uint8_t *ips, size_t ip,
                           const uint8_t *ports)
{
	struct proxy_header h;

	FUZZ_ASSERT(proxy_header_parse(fuzz_exactly(header, len), len, &h) == 0);
	FUZZ_ASSERT(h.len == len && family(&h.source) == af && family(&h.destination) == af);
	if (af == AF_UNSPEC)
		return;
	FUZZ_ASSERT(memcmp(ip_of(&h.source), ips, ip) == 0);
	FUZZ_ASSERT(memcmp(ip_of(&h.destination), ips + ip, ip) == 0);
	FUZZ_ASSERT(port_of(&h.source) == u16(ports));
	FUZZ_ASSERT(port_of(&h.destination) == u16(ports + 2));
}

static void write_v1(const uint8_t *ips, int af, size_t ip, const uint8_t *ports)
{
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN], line[160];
	int len;

	inet_ntop(af, ips, source, sizeof(source));
	inet_ntop(af, ips + ip, destination, sizeof(destination));
	len = snprintf(line, sizeof(line), "PROXY TCP%d %s %s %u %u\r\n", af == AF_INET ? 4 : 6,
	               source, destination, u16(ports), u16(ports + 2));
	check_accepted((uint8_t *)line, (size_t)len, af, ips, ip, ports);
}

/* command: 0x20 LOCAL, 0x21 PROXY. */
static void write_v2(const uint8_t *bytes, size_t n, unsigned command, unsigned af_byte, int af,
                     size_t ip)
{
	uint8_t header[PROXY_HEADER_MAX] = V2_SIGNATURE;

	if (n > sizeof(header) - V2_HEAD)
		n = sizeof(header) - V2_HEAD;
	header[12] = (uint8_t)command;
	header[13] = (uint8_t)af_byte;
	header[14] = (uint8_t)(n >> 8);
	header[15] = (uint8_t)n;
	memcpy(header + V2_HEAD, bytes, n);
	check_accepted(header, V2_HEAD + n, af, bytes, ip, bytes + 2 * ip);
}

static void check_written(const uint8_t *bytes, size_t n)
{
	if (n < V2_TCP6_LEN)
		return;
	write_v1(bytes, AF_INET, 4, bytes + 32);
	write_v1(bytes, AF_INET6, 16, bytes + 32);
	write_v2(bytes, n, 0x21, 0x11, AF_INET, 4);
	write_v2(bytes, n, 0x21, 0x21, AF_INET6, 16);
	write_v2(bytes, n, 0x21, 0x00, AF_UNSPEC, 4);
	write_v2(bytes, n % V2_TCP6_LEN, 0x20, bytes[0], AF_UNSPEC, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	size_t header;

	if (n > FUZZ_MAX)
		n = FUZZ_MAX;
	check_first_bytes(bytes, n);
	check_proxy(bytes, n, &header);
	check_written(bytes, n);
	if (header > 0)
		check_first_bytes(bytes + header, n - header);
	return 0;
}
