/*
 * Listeners of plugins: checked as those of the configuration are, and set against them.
 */
#include "declared.h"

#include "config_address.h"
#include "config_fault.h"
#include "config_listen.h"
#include "config_value.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS (NBS_LISTENER_OPTIONAL | NBS_LISTENER_HTTP2 | NBS_LISTENER_PLAINTEXT)

struct item {
	struct declared_listener pub;
	char where[CONFIG_NAME_MAX + 8];    /* "plugin NAME" */
	char section[CONFIG_NAME_MAX + 12]; /* "listener NAME" */
};

/* Items stay where they are: the listeners keep their `where`. */
struct declared {
	struct item **items;
	size_t n;
};

int declared_open(struct declared **out)
{
	*out = calloc(1, sizeof(**out));
	return *out != NULL ? 0 : -ENOMEM;
}

static void item_free(struct item *item)
{
	free(item->pub.conf.addresses);
	free(item);
}

void declared_close(struct declared *declared)
{
	if (declared == NULL)
		return;
	for (size_t i = 0; i < declared->n; i++)
		item_free(declared->items[i]);
	free(declared->items);
	free(declared);
}

/* --- what a plugin asks for ------------------------------------------------------------------ */

static void check_name(const struct item *item, const char *name, struct config_faults *faults)
{
	if (name == NULL || !config_value_is_name(name, strlen(name)))
		config_fault(faults, item->where,
		             "[%s]: expected a name of 1 to %d small letters, digits, - and _",
		             item->section, CONFIG_NAME_MAX - 1);
}

static bool one_class(unsigned classes, enum config_class *out)
{
	static const unsigned bits[] = {[CONFIG_PUBLIC] = NBS_PUBLIC,
	                                [CONFIG_ADMIN] = NBS_ADMIN,
	                                [CONFIG_CHALLENGE] = NBS_CHALLENGE};

	for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++) {
		if (classes != bits[i])
			continue;
		*out = (enum config_class)i;
		return true;
	}
	return false;
}

static void check_kind(struct item *item, const struct nbs_listener *asked,
                       struct config_faults *faults)
{
	struct config_listener *l = &item->pub.conf;

	if (!one_class(asked->classes, &l->class))
		config_fault(faults, item->where,
		             "[%s]: expected one class, NBS_PUBLIC, NBS_ADMIN or NBS_CHALLENGE, "
		             "got %#x",
		             item->section, asked->classes);
	if ((asked->flags & ~FLAGS) != 0)
		config_fault(faults, item->where, "[%s]: expected flags of %#x, got %#x",
		             item->section, FLAGS, asked->flags);
	if (l->class == CONFIG_CHALLENGE && (asked->flags & NBS_LISTENER_HTTP2) != 0)
		config_fault(faults, item->where,
		             "[%s]: expected no NBS_LISTENER_HTTP2 with NBS_CHALLENGE",
		             item->section);
	l->http2 = (asked->flags & NBS_LISTENER_HTTP2) != 0 ? "" : CONFIG_HTTP2_OFF;
	l->tls = (asked->flags & NBS_LISTENER_PLAINTEXT) != 0 ? CONFIG_TLS_OFF : CONFIG_TLS_AUTO;
	item->pub.optional = (asked->flags & NBS_LISTENER_OPTIONAL) != 0;
}

static void check_repeated(const struct item *item, struct config_faults *faults)
{
	const struct config_listener *l = &item->pub.conf;

	for (size_t i = 0; i < l->n_addresses; i++)
		for (size_t j = 0; j < i; j++)
			if (config_address_collide(&l->addresses[i], &l->addresses[j]))
				config_fault(faults, item->where,
				             "[%s] address: expected each address once, %s is "
				             "taken by %s",
				             item->section, l->addresses[i].text,
				             l->addresses[j].text);
}

/* 0 or -ENOMEM; what is wrong is a fault. */
static int fill(struct item *item, const struct nbs_listener *asked, struct config_faults *faults)
{
	const struct config_entry addresses = {.key = "address",
	                                       .value =
	                                           asked->addresses != NULL ? asked->addresses : "",
	                                       .where = item->where};
	int r;

	check_name(item, asked->name, faults);
	check_kind(item, asked, faults);
	if ((r = config_listen_set(&item->pub.conf, item->section, &addresses, faults)) < 0)
		return r;
	check_repeated(item, faults);
	return 0;
}

static int append(struct declared *declared, struct item *item)
{
	struct item **grown;

	for (size_t i = 0; i < declared->n; i++) {
		const struct item *other = declared->items[i];

		if (strcmp(other->pub.conf.name, item->pub.conf.name) != 0)
			continue;
		log_error("config", "%s: [%s]: expected a name of its own, %s has it", item->where,
		          item->section, other->where);
		return -EEXIST;
	}
	grown = reallocarray(declared->items, declared->n + 1, sizeof(struct item *));
	if (grown == NULL)
		return -ENOMEM;
	declared->items = grown;
	grown[declared->n++] = item;
	return 0;
}

static int add(struct declared *declared, const char *owner, const struct nbs_listener *asked)
{
	struct config_faults faults = {0};
	struct item *item = calloc(1, sizeof(*item));
	const char *name = asked->name != NULL ? asked->name : "";
	int r = -ENOMEM;

	if (item == NULL)
		return r;
	snprintf(item->where, sizeof(item->where), "plugin %s", owner);
	item->pub.plugin = item->where + strlen("plugin ");
	snprintf(item->section, sizeof(item->section), "listener %s", name);
	snprintf(item->pub.conf.name, sizeof(item->pub.conf.name), "%s", name);
	if ((r = fill(item, asked, &faults)) == 0 && (r = config_fault_end(&faults)) == 0)
		r = append(declared, item);
	if (r < 0)
		item_free(item);
	return r;
}

int declared_add(struct declared *declared, const char *owner, const struct nbs_listener *listener)
{
	int r = -EINVAL;

	if (!NBS_HAS(struct nbs_listener, listener, flags))
		log_error("config", "plugin %s: its struct nbs_listener is too small", owner);
	else if ((r = add(declared, owner, listener)) == -ENOMEM)
		log_error("config", "plugin %s: out of memory", owner);
	return r;
}

/* --- beside the configuration ---------------------------------------------------------------- */

static bool has_port(const struct config_listener *l, unsigned port)
{
	for (size_t i = 0; i < l->n_addresses; i++)
		if (config_address_port(&l->addresses[i]) == port)
			return true;
	return false;
}

/* The listener of the configuration, or of the first `n` declared ones, that has the port. */
static const struct config_listener *find_port(const struct declared *declared, size_t n,
                                               const struct config *cfg, unsigned port)
{
	if (port == 0)
		return NULL; /* the kernel chooses another one each time */
	for (size_t i = 0; i < cfg->n_listeners; i++)
		if (has_port(&cfg->listeners[i], port))
			return &cfg->listeners[i];
	for (size_t i = 0; i < n; i++)
		if (has_port(&declared->items[i]->pub.conf, port))
			return &declared->items[i]->pub.conf;
	return NULL;
}

/* One of another class does not serve what the plugin wants to serve here.  Proofs for certificate
 * authorities are served by all: only where there is no listener do they need one of their own. */
static bool misses(const struct config_listener *declared, const struct config_listener *other)
{
	return other->class != declared->class && declared->class != CONFIG_CHALLENGE;
}

static void log_gave_way(const struct item *item, const struct config_listener *other)
{
	const bool missed = misses(&item->pub.conf, other);

	log_line(missed ? NBS_WARN : NBS_DEBUG, "config",
	         "%s: [%s] of the configuration takes the place of its own%s", item->where,
	         item->section, missed ? ", is of another class, and does not serve the same" : "");
}

static void log_left_out(const struct item *item, const struct config_address *a,
                         const struct config_listener *other)
{
	const bool missed = misses(&item->pub.conf, other);

	log_line(missed ? NBS_WARN : NBS_DEBUG, "config",
	         "%s: [%s] leaves out %s: [listener %s] has the port%s", item->where, item->section,
	         a->text, other->name,
	         missed ? ", is of another class, and does not serve the same" : "");
}

static void settle_item(struct declared *declared, size_t at, const struct config *cfg)
{
	struct item *item = declared->items[at];
	struct config_listener *l = &item->pub.conf;
	const struct config_listener *other;
	size_t kept = 0;

	if (l->n_addresses > 0 && (other = config_listen_find(cfg, l->name)) != NULL) {
		log_gave_way(item, other);
		l->n_addresses = 0;
	}
	for (size_t i = 0; i < l->n_addresses; i++) {
		const struct config_address *a = &l->addresses[i];

		if ((other = find_port(declared, at, cfg, config_address_port(a))) != NULL)
			log_left_out(item, a, other);
		else
			l->addresses[kept++] = *a;
	}
	l->n_addresses = kept;
	/* Where clients need a certificate, no listener may let them in without. */
	if (*cfg->client_ca != '\0' && l->tls == CONFIG_TLS_AUTO)
		l->tls = CONFIG_TLS_REQUIRED;
}

void declared_settle(struct declared *declared, const struct config *cfg)
{
	for (size_t i = 0; i < declared->n; i++)
		settle_item(declared, i, cfg);
}

size_t declared_count(const struct declared *declared)
{
	return declared->n;
}

const struct declared_listener *declared_at(const struct declared *declared, size_t i)
{
	return &declared->items[i]->pub;
}
