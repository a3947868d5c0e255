/*
 * Listeners and their lists of addresses and networks.
 */
#include "config_listen.h"
#include "config_address.h"
#include "config_fault.h"
#include "config_network.h"

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

/* A comma list, item by item. */
struct list {
	const char *next; /* NULL at its end */
	const char *item;
	size_t len;
};

static bool take(struct list *l)
{
	static const char blanks[] = " \t";
	const char *comma;

	if (!l->next)
		return false;
	comma = strchrnul(l->next, ',');
	l->item = l->next + strspn(l->next, blanks);
	l->len = (size_t)(comma > l->item ? comma - l->item : 0);
	while (l->len > 0 && strchr(blanks, l->item[l->len - 1]))
		l->len--;
	l->next = *comma ? comma + 1 : NULL;
	return true;
}

static void refuse(const struct list *list, const char *section, const struct config_entry *value,
                   const char *expected, struct config_faults *faults)
{
	char got[128];

	snprintf(got, sizeof(got), "%.*s", (int)(list->len < 100 ? list->len : 100), list->item);
	config_fault_value(faults, value->where, section, value->key, expected, got);
}

int config_listen_set(struct config_listener *l, const char *section,
                      const struct config_entry *value, struct config_faults *faults)
{
	struct list list = {.next = value->value};
	const char *expected;
	size_t n;

	free(l->addresses);
	l->n_addresses = 0;
	l->where = value->where;
	if ((l->addresses = calloc(CONFIG_ADDRESSES_MAX, sizeof(*l->addresses))) == NULL)
		return -ENOMEM;
	for (n = 0; take(&list); n++) {
		if (n >= CONFIG_ADDRESSES_MAX)
			continue;
		if (config_address_parse(&l->addresses[l->n_addresses], list.item, list.len,
		                         &expected) == 0)
			l->n_addresses++;
		else
			refuse(&list, section, value, expected, faults);
	}
	if (n > CONFIG_ADDRESSES_MAX)
		config_fault(faults, value->where, "[%s] %s: expected at most %d addresses",
		             section, value->key, CONFIG_ADDRESSES_MAX);
	return 0;
}

int config_listen_set_trusted(struct config_listener *l, const char *section,
                              const struct config_entry *value, struct config_faults *faults)
{
	struct list list = {.next = value->value};
	const char *expected;
	size_t n = 0;

	free(l->trusted);
	l->trusted = NULL;
	l->n_trusted = 0;
	if (!value->value[0])
		return 0;
	while (take(&list))
		n++;
	if ((l->trusted = calloc(n, sizeof(*l->trusted))) == NULL)
		return -ENOMEM;
	list.next = value->value;
	while (take(&list)) {
		if (config_network_parse(&l->trusted[l->n_trusted], list.item, list.len,
		                         &expected) == 0)
			l->n_trusted++;
		else
			refuse(&list, section, value, expected, faults);
	}
	return 0;
}
