/*
 * Checks across keys and sections.
 */
#include "config_check.h"
#include "config_address.h"
#include "config_fault.h"
#include "config_ini.h"
#include "config_listen.h"
#include "config_store.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

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

/* A name that is too long has no listener; that is a fault already. */
static bool is_challenge(const struct config *cfg, const char *name)
{
	const struct config_listener *l = config_listen_find(cfg, name);

	return l && l->class == CONFIG_CHALLENGE;
}

static void check_http2_of(const struct config *cfg, const struct config_section *s,
                           const struct config_entry *e, struct config_faults *faults)
{
	const char *state = "not configured";
	size_t i;

	if (is_challenge(cfg, s->text + 9)) {
		config_fault_value(faults, e->where, s->text, e->key,
		                   "nothing or off with class = challenge", e->value);
		return;
	}
	for (i = 0; i < cfg->n_plugins; i++) {
		if (strcmp(cfg->plugins[i].name, e->value) == 0)
			state = cfg->plugins[i].enabled ? NULL : "not enabled";
	}
	if (state)
		config_fault(faults, e->where,
		             "[%s] http2: expected a plugin, [plugin %.100s] is %s", s->text,
		             e->value, state);
}

static void check_http2(const struct config *cfg, const struct config_ini *ini,
                        struct config_faults *faults)
{
	size_t i;

	for (i = 0; i < ini->n_sections; i++) {
		const struct config_section *s = &ini->sections[i];
		const struct config_entry *e = config_ini_entry(s, "http2", 5);

		if (e && strncmp(s->text, "listener ", 9) == 0 && e->value[0] &&
		    strcmp(e->value, CONFIG_HTTP2_OFF) != 0)
			check_http2_of(cfg, s, e, faults);
	}
}

/* Where a key of a pair was set, by the file or a flag. */
static const char *where_of(const struct config *cfg, const struct config_ini *ini,
                            const struct config_pair *pair, const char *key)
{
	char section[CONFIG_NAME_MAX + 4];

	if (!pair->name[0])
		return cfg->store->where[config_key_index(config_key_find(CONFIG_TLS, key))];
	snprintf(section, sizeof(section), "tls %s", pair->name);
	return config_ini_entry(config_ini_section(ini, section, strlen(section)), key, strlen(key))
	    ->where;
}

static void check_pairs(const struct config *cfg, const struct config_ini *ini,
                        struct config_faults *faults)
{
	const struct config_pair *p;

	for (p = cfg->pairs; p < cfg->pairs + cfg->n_pairs; p++) {
		const char *has = p->cert_file[0] ? "cert-file" : "cert-key";

		if (p->cert_file[0] && p->cert_key[0])
			continue;
		config_fault(faults, where_of(cfg, ini, p, has),
		             "[tls%s%s] %s: expected %s as well, got none", p->name[0] ? " " : "",
		             p->name, has, p->cert_file[0] ? "cert-key" : "cert-file");
	}
}

static void check_client_ca(const struct config *cfg, struct config_faults *faults)
{
	const struct config_key *key = config_key_find(CONFIG_TLS, "client-ca");
	const char *where = cfg->store->where[config_key_index(key)];
	size_t i;

	if (!cfg->client_ca[0])
		return;
	for (i = 0; i < cfg->n_listeners; i++) {
		if (cfg->listeners[i].tls == CONFIG_TLS_AUTO)
			config_fault(faults, where,
			             "[tls] client-ca: expected tls = required or off for "
			             "[listener %s], got auto, where plaintext needs no "
			             "certificate",
			             cfg->listeners[i].name);
	}
}

/* The entry of a listener's section; it is there when its value is not the default. */
static const char *where_in(const struct config_section *s, const char *key)
{
	return config_ini_entry(s, key, strlen(key))->where;
}

static void check_listener(const struct config_listener *l, const struct config_section *s,
                           struct config_faults *faults)
{
	if (l->proxy_protocol && l->n_trusted == 0)
		config_fault(faults, where_in(s, "proxy-protocol"),
		             "[%s] proxy-protocol: expected trusted-proxies as well, got none",
		             s->text);
	if (!l->proxy_protocol && l->n_trusted > 0)
		config_fault(faults, where_in(s, "trusted-proxies"),
		             "[%s] trusted-proxies: expected proxy-protocol = required as well, "
		             "got off",
		             s->text);
}

static void check_listeners(const struct config *cfg, const struct config_ini *ini,
                            struct config_faults *faults)
{
	const struct config_section *s;

	for (s = ini->sections; s < ini->sections + ini->n_sections; s++) {
		if (strncmp(s->text, "listener ", 9) == 0)
			check_listener(config_listen_find(cfg, s->text + 9), s, faults);
	}
}

static void check_user(const struct config *cfg, struct config_faults *faults)
{
	const struct config_key *key = config_key_find(CONFIG_DAEMON, "user");

	if (cfg->user[0] && !getpwnam(cfg->user))
		config_fault_value(faults, cfg->store->where[config_key_index(key)], "daemon",
		                   "user", "a user of this machine", cfg->user);
}

/* Whole, since the command line finds the daemon by it, from any directory. */
static void check_control_socket(const struct config *cfg, struct config_faults *faults)
{
	const struct config_key *key = config_key_find(CONFIG_DAEMON, "control-socket");
	char expected[CONFIG_WORDS];

	if (!cfg->control_socket[0] ||
	    (cfg->control_socket[0] == '/' &&
	     strlen(cfg->control_socket) < sizeof(((struct sockaddr_un *)0)->sun_path)))
		return;
	snprintf(expected, sizeof(expected), "a path from / on of at most %zu bytes, or nothing",
	         sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	config_fault_value(faults, cfg->store->where[config_key_index(key)], "daemon", key->name,
	                   expected, cfg->control_socket);
}

void config_check(const struct config *cfg, const struct config_ini *ini,
                  struct config_faults *faults)
{
	/* A value that is wrong alone was not taken; its default would be compared instead. */
	if (faults->n == 0) {
		check_mailboxes(cfg, faults);
		check_pairs(cfg, ini, faults);
		check_client_ca(cfg, faults);
		check_listeners(cfg, ini, faults);
	}
	check_addresses(cfg, faults);
	check_http2(cfg, ini, faults);
	check_user(cfg, faults);
	check_control_socket(cfg, faults);
}
