/*
 * Networks as address and length of the prefix.
 */
#include "config_network.h"
#include "config_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define MAPPED_BITS 96 /* of ::ffff:0:0/96, where IPv4 is within IPv6 */

static const unsigned char mapped[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	unsigned char mask = (unsigned char)(0xff << (8 - rest));

	return memcmp(a, b, whole) == 0 && (rest == 0 || ((a[whole] ^ b[whole]) & mask) == 0);
}

/* "::ffff:192.0.2.0/120" is 192.0.2.0/24. */
static void unmap(struct config_network *net)
{
	if (net->family != AF_INET6 || net->prefix < MAPPED_BITS ||
	    !same_bits(net->bytes, mapped, MAPPED_BITS))
		return;
	net->family = AF_INET;
	net->prefix -= MAPPED_BITS;
	memcpy(net->bytes, net->bytes + sizeof(mapped), 4);
	memset(net->bytes + 4, 0, sizeof(net->bytes) - 4);
}

/* Who writes 192.0.2.77/24 may have meant one address, or all of them. */
static bool is_clean(const struct config_network *net)
{
	unsigned bits = net->family == AF_INET ? 32 : 128, i;

	for (i = net->prefix; i < bits; i++) {
		if (net->bytes[i / 8] & (0x80 >> i % 8))
			return false;
	}
	return true;
}

static bool parse_prefix(struct config_network *net, const char *text)
{
	int64_t n, bits = net->family == AF_INET ? 32 : 128;

	if (config_value_number(text, CONFIG_COUNT, 0, bits, &n) < 0)
		return false;
	net->prefix = (unsigned char)n;
	return true;
}

int config_network_parse(struct config_network *out, const char *text, size_t len,
                         const char **expected)
{
	char copy[INET6_ADDRSTRLEN + 8], *slash;

	*out = (struct config_network){0};
	*expected = CONFIG_NETWORK_EXPECTED;
	if (len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if ((slash = strchr(copy, '/')) != NULL)
		*slash = '\0';
	out->family = strchr(copy, ':') ? AF_INET6 : AF_INET;
	out->prefix = out->family == AF_INET ? 32 : 128;
	if (inet_pton(out->family, copy, out->bytes) != 1)
		return -EINVAL;
	if (slash && !parse_prefix(out, slash + 1)) {
		*expected = out->family == AF_INET ? "a prefix from 0 to 32 after the slash"
		                                   : "a prefix from 0 to 128 after the slash";
		return -EINVAL;
	}
	if (!is_clean(out)) {
		*expected = "a network with zeroes behind its prefix, such as 192.0.2.0/24";
		return -EINVAL;
	}
	unmap(out);
	*expected = NULL;
	return 0;
}

bool config_network_contains(const struct config_network *net, const struct sockaddr *sa)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	const unsigned char *bytes;
	int family = sa->sa_family;

	if (family == AF_INET) {
		bytes = (const unsigned char *)&v4->sin_addr;
	} else if (family == AF_INET6) {
		bytes = v6->sin6_addr.s6_addr;
		if (same_bits(bytes, mapped, MAPPED_BITS)) {
			family = AF_INET;
			bytes += sizeof(mapped);
		}
	} else {
		return false;
	}
	return family == net->family && same_bits(bytes, net->bytes, net->prefix);
}

bool config_network_equals(const struct config_network *a, const struct config_network *b)
{
	return a->family == b->family && a->prefix == b->prefix &&
	       memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}
