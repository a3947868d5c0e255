/* The PROXY header, strictly: what is not exactly one is none, since whoever sends it is trusted
 * with everybody's address. */
#include "proxy_header.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define V1_BEGIN "PROXY "
#define V1_MAX 107 /* with CR LF */
#define V2_SIGNATURE 12
#define V2_HEAD 16 /* signature, version and command, family, length */

/* Version and command. */
#define V2_LOCAL 0x20
#define V2_PROXY 0x21

/* Family and transport; a datagram cannot have come over a TCP connection. */
#define V2_UNSPEC 0x00
#define V2_TCP4 0x11
#define V2_TCP6 0x21
#define V2_UNIX 0x31

static const unsigned char v2_signature[V2_SIGNATURE] = "\r\n\r\n\0\r\nQUIT\n";

/* --- version 1, a line of text ------------------------------------------------------------- */

/* The next word of the line, up to a space or its end; NULL when there is none. */
static char *word(char **rest)
{
	char *begin = *rest;

	if (begin == NULL)
		return NULL;
	*rest = strchr(begin, ' ');
	if (*rest != NULL)
		*(*rest)++ = '\0';
	return begin;
}

/* Decimal and without leading zeros, in network byte order; false for anything else. */
static bool parse_port(const char *text, in_port_t *port)
{
	unsigned n = 0;
	const char *p;

	if (text == NULL || text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return false;
	for (p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9' || (n = n * 10 + (unsigned)(*p - '0')) > 65535)
			return false;
	}
	*port = htons((uint16_t)n);
	return true;
}

static bool parse_address(const char *host, const char *port, int family,
                          struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	out->ss_family = (sa_family_t)family;
	if (family == AF_INET)
		return inet_pton(family, host, &v4->sin_addr) == 1 &&
		       parse_port(port, &v4->sin_port);
	return inet_pton(family, host, &v6->sin6_addr) == 1 && parse_port(port, &v6->sin6_port);
}

/* The line behind "PROXY ", ended by NUL. */
static int parse_line(char *line, struct proxy_header *out)
{
	const char *protocol = word(&line), *source = word(&line), *destination = word(&line),
		   *source_port = word(&line), *destination_port = word(&line);
	int family;

	if (strcmp(protocol, "UNKNOWN") == 0)
		return 0; /* whatever follows is to be ignored */
	if (strcmp(protocol, "TCP4") == 0)
		family = AF_INET;
	else if (strcmp(protocol, "TCP6") == 0)
		family = AF_INET6;
	else
		return -EPROTO;
	if (destination_port == NULL || line != NULL ||
	    !parse_address(source, source_port, family, &out->source) ||
	    !parse_address(destination, destination_port, family, &out->destination))
		return -EPROTO;
	return 0;
}

static int parse_v1(const unsigned char *p, size_t n, struct proxy_header *out)
{
	const size_t begin = sizeof(V1_BEGIN) - 1;
	char line[V1_MAX + 1];
	size_t i;

	for (i = begin; i < n && i < V1_MAX && p[i] != '\r'; i++) {
		if (p[i] < ' ' || p[i] > '~')
			return -EPROTO;
	}
	if (i + 1 >= V1_MAX)
		return -EPROTO; /* no room for CR LF */
	if (i + 1 >= n)
		return -EAGAIN;
	if (p[i + 1] != '\n')
		return -EPROTO;
	memcpy(line, p + begin, i - begin);
	line[i - begin] = '\0';
	out->len = i + 2;
	return parse_line(line, out);
}

/* --- version 2, binary --------------------------------------------------------------------- */

static void copy_v4(struct sockaddr_storage *out, const unsigned char *address,
                    const unsigned char *port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;

	v4->sin_family = AF_INET;
	memcpy(&v4->sin_addr, address, 4);
	memcpy(&v4->sin_port, port, 2);
}

static void copy_v6(struct sockaddr_storage *out, const unsigned char *address,
                    const unsigned char *port)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	v6->sin6_family = AF_INET6;
	memcpy(&v6->sin6_addr, address, 16);
	memcpy(&v6->sin6_port, port, 2);
}

/* How long the addresses of a family are, or -EPROTO. */
static int address_size(unsigned char family)
{
	switch (family) {
	case V2_UNSPEC:
		return 0;
	case V2_TCP4:
		return 2 * (4 + 2);
	case V2_TCP6:
		return 2 * (16 + 2);
	case V2_UNIX:
		return 2 * 108;
	default:
		return -EPROTO;
	}
}

/* What stands behind the addresses (TLVs) is skipped. */
static int parse_v2(const unsigned char *p, size_t n, struct proxy_header *out)
{
	const unsigned char *addresses = p + V2_HEAD;
	int size = 0; /* of the addresses; LOCAL: the rest means nothing */
	size_t len;

	if (n > 12 && p[12] != V2_LOCAL && p[12] != V2_PROXY)
		return -EPROTO;
	if (n > 13 && p[12] == V2_PROXY && (size = address_size(p[13])) < 0)
		return -EPROTO;
	if (n < V2_HEAD)
		return -EAGAIN;
	len = (size_t)(p[14] << 8 | p[15]);
	if (V2_HEAD + len > PROXY_HEADER_MAX || len < (size_t)size)
		return -EPROTO;
	if (n < V2_HEAD + len)
		return -EAGAIN;
	out->len = V2_HEAD + len;
	if (p[12] == V2_PROXY && p[13] == V2_TCP4) {
		copy_v4(&out->source, addresses, addresses + 8);
		copy_v4(&out->destination, addresses + 4, addresses + 10);
	} else if (p[12] == V2_PROXY && p[13] == V2_TCP6) {
		copy_v6(&out->source, addresses, addresses + 32);
		copy_v6(&out->destination, addresses + 16, addresses + 34);
	}
	return 0;
}

int proxy_header_parse(const void *bytes, size_t n, struct proxy_header *out)
{
	const size_t v1 = sizeof(V1_BEGIN) - 1;

	memset(out, 0, sizeof(*out)); /* AF_UNSPEC is 0 */
	if (n == 0)
		return -EAGAIN;
	if (memcmp(bytes, V1_BEGIN, n < v1 ? n : v1) == 0)
		return n <= v1 ? -EAGAIN : parse_v1(bytes, n, out);
	if (memcmp(bytes, v2_signature, n < V2_SIGNATURE ? n : V2_SIGNATURE) == 0)
		return n <= V2_SIGNATURE ? -EAGAIN : parse_v2(bytes, n, out);
	return -EPROTO;
}
