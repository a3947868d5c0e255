/*
 * Numeric addresses only: a name could mean something else at the next start.
 */
#include "config_address.h"
#include "config_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* A copy that ends with NUL, or false when it does not fit. */
static bool copy(char *out, size_t size, const char *text, size_t len)
{
	if (len >= size)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

static bool parse_scope(const char *text, uint32_t *scope)
{
	int64_t n;

	if (config_value_number(text, CONFIG_COUNT, 1, UINT32_MAX, &n) == 0)
		*scope = (uint32_t)n;
	else
		*scope = if_nametoindex(text);
	return *scope != 0;
}

static const char *parse_v6(struct sockaddr_in6 *sin6, char *host)
{
	char *percent = strchr(host, '%');

	if (percent) {
		*percent = '\0';
		if (!parse_scope(percent + 1, &sin6->sin6_scope_id))
			return "the name of a network interface after the %";
	}
	if (inet_pton(AF_INET6, host, &sin6->sin6_addr) != 1)
		return "an IPv6 address in the brackets";
	return NULL;
}

/* NULL, or what was expected. */
static const char *parse_host(struct config_address *out, char *host, in_port_t port)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)&out->sa;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&out->sa;
	size_t len = strlen(host);

	out->any = strcmp(host, "*") == 0;
	if (out->any || (len > 1 && host[0] == '[' && host[len - 1] == ']')) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = port;
		out->len = sizeof(*sin6);
		if (out->any)
			return NULL; /* all zeroes is [::] */
		host[len - 1] = '\0';
		return parse_v6(sin6, host + 1);
	}
	if (strchr(host, ':'))
		return "brackets around an IPv6 address, such as [::1]:10000";
	sin->sin_family = AF_INET;
	sin->sin_port = port;
	out->len = sizeof(*sin);
	return inet_pton(AF_INET, host, &sin->sin_addr) == 1 ? NULL : CONFIG_ADDRESS_EXPECTED;
}

int config_address_parse(struct config_address *out, const char *text, size_t len,
                         const char **expected)
{
	char host[NBS_ADDR_MAX], port[8];
	const char *colon = memrchr(text, ':', len);
	size_t host_len = colon ? (size_t)(colon - text) : 0;
	int64_t number;

	*out = (struct config_address){0};
	*expected = CONFIG_ADDRESS_EXPECTED;
	if (!colon || host_len == 0 || !copy(out->text, sizeof(out->text), text, len) ||
	    !copy(host, sizeof(host), text, host_len))
		return -EINVAL;
	if (!copy(port, sizeof(port), colon + 1, len - host_len - 1) ||
	    config_value_number(port, CONFIG_COUNT, 0, 65535, &number) < 0) {
		*expected = "a port from 0 to 65535 after the last colon";
		return -EINVAL;
	}
	*expected = parse_host(out, host, htons((uint16_t)number));
	return *expected ? -EINVAL : 0;
}

static bool is_wildcard(const struct config_address *a)
{
	const struct sockaddr_in *sin = (const struct sockaddr_in *)&a->sa;
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)&a->sa;

	return a->sa.ss_family == AF_INET ? sin->sin_addr.s_addr == INADDR_ANY
	                                  : IN6_IS_ADDR_UNSPECIFIED(&sin6->sin6_addr);
}

/* in_port_t is at the same place in both families. */
static in_port_t port_of(const struct config_address *a)
{
	return ((const struct sockaddr_in *)&a->sa)->sin_port;
}

unsigned config_address_port(const struct config_address *a)
{
	return ntohs(port_of(a));
}

static bool same_host(const struct config_address *a, const struct config_address *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)&a->sa;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)&b->sa;
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)&a->sa;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)&b->sa;

	if (a->sa.ss_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr) &&
	       a6->sin6_scope_id == b6->sin6_scope_id;
}

bool config_address_collide(const struct config_address *a, const struct config_address *b)
{
	if (port_of(a) != port_of(b) || port_of(a) == 0)
		return false;
	if (a->any || b->any)
		return true;
	if (a->sa.ss_family != b->sa.ss_family)
		return false;
	return is_wildcard(a) || is_wildcard(b) || same_host(a, b);
}
