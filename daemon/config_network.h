/*
 * Networks: "192.0.2.1", "192.0.2.0/24", "2001:db8::/32".  An IPv4 address that is mapped into
 * IPv6, as a socket for both families shows it, counts as IPv4 everywhere.  [any]
 */
#ifndef CONFIG_NETWORK_H
#define CONFIG_NETWORK_H

#include "config.h"

/* The words for what a network must look like. */
#define CONFIG_NETWORK_EXPECTED "an address or a network, such as 192.0.2.1 or 2001:db8::/32"

/* 0 and *out, or -EINVAL with *expected in static words. */
int config_network_parse(struct config_network *out, const char *text, size_t len,
                         const char **expected);
/* false also for an address that is neither IPv4 nor IPv6. */
bool config_network_contains(const struct config_network *net, const struct sockaddr *sa);
bool config_network_equals(const struct config_network *a, const struct config_network *b);

#endif
