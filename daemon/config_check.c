/*
 * Checks across keys and sections.
 */
#include "config_check.h"
#include "config_address.h"
#include "config_fault.h"
#include "config_ini.h"
#include "config_store.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

/* One value of the table, as it is and where it came from. */
struct number {
	const struct config_key *key;
	int64_t value;
	const char *where; /* NULL: the default */
	char text[CONFIG_WORDS];
};

static void look_up(const struct config *cfg, enum config_section_kind section, const char *name,
                    struct number *n)
{
	n->key = config_key_find(section, name);
	n->value = *(const int64_t *)((const char *)cfg + n->key->offset);
	n->where = cfg->store->where[config_key_index(n->key)];
	config_value_print(n->text, n->key->unit, n->value);
}

static void at_least(const struct number *n, const struct number *least,
                     struct config_faults *faults)
{
	if (n->value >= least->value)
		return;
	config_fault(faults, n->where ? n->where : least->where,
	             "[%s] %s: expected at least [%s] %s, which is %s%s, got %s%s",
	             config_key_section(n->key->section), n->key->name,
	             config_key_section(least->key->section), least->key->name, least->text,
	             least->where ? "" : " by default", n->text, n->where ? "" : ", its default");
}

static void check_mailboxes(const struct config *cfg, struct config_faults *faults)
{
	struct number message, mailbox, total;

	look_up(cfg, CONFIG_LIMITS, "max-message-size", &message);
	look_up(cfg, CONFIG_PEERS, "mailbox-bytes", &mailbox);
	look_up(cfg, CONFIG_PEERS, "mailbox-total-bytes", &total);
	at_least(&mailbox, &message, faults);
	at_least(&total, &mailbox, faults);
}

static void check_pair(const struct config_listener *a, size_t i, const struct config_listener *b,
                       size_t j, struct config_faults *faults)
{
	if (config_address_collide(&a->addresses[i], &b->addresses[j]))
		config_fault(
		    faults, b->where,
		    "[listener %s] address: expected each address once, %s is taken by %s of "
		    "[listener %s]",
		    b->name, b->addresses[j].text, a->addresses[i].text, a->name);
}

/* Every address against all before it. */
static void check_addresses(const struct config *cfg, struct config_faults *faults)
{
	size_t i, j, k, m;

	for (i = 0; i < cfg->n_listeners; i++) {
		const struct config_listener *b = &cfg->listeners[i];

		for (j = 0; j < b->n_addresses; j++) {
			for (k = 0; k < i; k++) {
				for (m = 0; m < cfg->listeners[k].n_addresses; m++)
					check_pair(&cfg->listeners[k], m, b, j, faults);
			}
			for (m = 0; m < j; m++)
				check_pair(b, m, b, j, faults);
		}
	}
}

static void check_http2(const struct config *cfg, const struct config_ini *ini,
                        struct config_faults *faults)
{
	size_t i, j;

	for (i = 0; i < ini->n_sections; i++) {
		const struct config_section *s = &ini->sections[i];
		const struct config_entry *e = config_ini_entry(s, "http2", 5);
		const char *state = "not configured";

		if (!e || strncmp(s->text, "listener ", 9) != 0 || !e->value[0])
			continue;
		for (j = 0; j < cfg->n_plugins; j++) {
			if (strcmp(cfg->plugins[j].name, e->value) == 0)
				state = cfg->plugins[j].enabled ? NULL : "not enabled";
		}
		if (state)
			config_fault(faults, e->where,
			             "[%s] http2: expected a plugin, [plugin %.100s] is %s",
			             s->text, e->value, state);
	}
}

static void check_user(const struct config *cfg, struct config_faults *faults)
{
	const struct config_key *key = config_key_find(CONFIG_DAEMON, "user");

	if (cfg->user[0] && !getpwnam(cfg->user))
		config_fault_value(faults, cfg->store->where[config_key_index(key)], "daemon",
		                   "user", "a user of this machine", cfg->user);
}

void config_check(const struct config *cfg, const struct config_ini *ini,
                  struct config_faults *faults)
{
	/* A value that is wrong alone was not taken; its default would be compared instead. */
	if (faults->n == 0)
		check_mailboxes(cfg, faults);
	check_addresses(cfg, faults);
	check_http2(cfg, ini, faults);
	check_user(cfg, faults);
}
