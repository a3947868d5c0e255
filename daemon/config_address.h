/*
 * Listen addresses: "*:PORT", "192.0.2.1:PORT", "[2001:db8::1]:PORT", "[fe80::1%eth0]:PORT".
 */
#ifndef CONFIG_ADDRESS_H
#define CONFIG_ADDRESS_H

#include "config.h"

/* The words for what an address must look like. */
#define CONFIG_ADDRESS_EXPECTED \
	"ADDRESS:PORT with a numeric address, such as *:10000 or [::1]:10000"

/* 0 and *out, or -EINVAL with *expected in static words. */
int config_address_parse(struct config_address *out, const char *text, size_t len,
                         const char **expected);
/* In the machine's order; 0: the kernel chooses. */
unsigned config_address_port(const struct config_address *a);
/* Whether not both can be bound at once.  Port 0 never collides. */
bool config_address_collide(const struct config_address *a, const struct config_address *b);

#endif
