/*
 * Listeners and their lists of addresses.
 */
#include "config_listen.h"
#include "config_address.h"
#include "config_fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config_listener *config_listen_find(const struct config *cfg, const char *name)
{
	size_t i;

	for (i = 0; i < cfg->n_listeners; i++) {
		if (strcmp(cfg->listeners[i].name, name) == 0)
			return &cfg->listeners[i];
	}
	return NULL;
}

static void add(struct config_listener *l, const char *p, size_t len, const char *section,
                const struct config_entry *value, struct config_faults *faults)
{
	const char *expected;
	char got[128];

	if (l->n_addresses == CONFIG_ADDRESSES_MAX)
		return;
	if (config_address_parse(&l->addresses[l->n_addresses], p, len, &expected) == 0) {
		l->n_addresses++;
		return;
	}
	snprintf(got, sizeof(got), "%.*s", (int)(len < 100 ? len : 100), p);
	config_fault_value(faults, value->where, section, value->key, expected, got);
}

int config_listen_set(struct config_listener *l, const char *section,
                      const struct config_entry *value, struct config_faults *faults)
{
	static const char blanks[] = " \t";
	const char *p = value->value;
	size_t n = 0, len;

	free(l->addresses);
	l->n_addresses = 0;
	l->where = value->where;
	if ((l->addresses = calloc(CONFIG_ADDRESSES_MAX, sizeof(*l->addresses))) == NULL)
		return -ENOMEM;
	for (;; p++) {
		const char *comma = strchrnul(p, ',');

		p += strspn(p, blanks);
		for (len = (size_t)(comma > p ? comma - p : 0);
		     len > 0 && strchr(blanks, p[len - 1]);)
			len--;
		add(l, p, len, section, value, faults);
		n++;
		if (*comma == '\0')
			break;
		p = comma;
	}
	if (n > CONFIG_ADDRESSES_MAX)
		config_fault(faults, value->where, "[%s] %s: expected at most %d addresses",
		             section, value->key, CONFIG_ADDRESSES_MAX);
	return 0;
}
