/*
 * The set of loaded plugins.  All files are examined before the first init() is called, so that a
 * wrong one is refused with nothing of it run, and several wrong ones are all named at once.
 * Nothing is ever unloaded (RTLD_NODELETE): libraries keep threads after their shutdown.
 */
#include "plugin.h"

#include "certstore.h"
#include "clock.h"
#include "config.h"
#include "host.h"
#include "log.h"
#include "metrics.h"
#include "plugin_file.h"
#include "plugin_metrics.h"
#include "plugin_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Sets with a plugin that did not stop and may still use them: no leak, but not to be freed. */
static struct plugins *in_use;

/* --- the set ------------------------------------------------------------------------------- */

static int add_section(struct plugins *set, struct config_plugin *conf)
{
	struct plugin *p = &set->list[set->n];

	if ((p->path = strdup(conf->path)) == NULL)
		return -ENOMEM;
	memcpy(p->name, conf->name, sizeof(p->name));
	p->conf = conf;
	set->n++;
	return 0;
}

/* One plugin for each section, unloaded; the disabled ones too if `all`. */
static struct plugins *set_new(const struct config *cfg, bool all)
{
	struct plugins *set = calloc(1, sizeof(*set));

	if (set == NULL)
		goto err0;
	if ((set->list = calloc(cfg->n_plugins + 1, sizeof(*set->list))) == NULL)
		goto err1;
	for (size_t i = 0; i < cfg->n_plugins; i++)
		if ((all || cfg->plugins[i].enabled) && add_section(set, &cfg->plugins[i]) < 0)
			goto err1;
	return set;

err1:
	plugins_free(set);
err0:
	log_error("plugin", "out of memory");
	return NULL;
}

bool plugins_have(const struct plugins *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->list[i].name, name) == 0)
			return true;
	return false;
}

static int open_plugin(const struct plugins *set, struct plugin *p,
                       char why[static PLUGIN_FILE_WHY])
{
	int r;

	if ((r = plugin_file_load(p->path, &p->entry, &p->abi, why)) < 0)
		return r;
	for (const struct plugin *other = set->list; other < p; other++)
		if (other->entry == p->entry) {
			snprintf(why, PLUGIN_FILE_WHY, "is the same file as that of [plugin %s]",
			         other->name);
			p->entry = NULL;
			return -EEXIST;
		}
	return 0;
}

static int open_all(struct plugins *set)
{
	char why[PLUGIN_FILE_WHY];
	int r, first = 0;

	for (struct plugin *p = set->list; p < set->list + set->n; p++) {
		if ((r = open_plugin(set, p, why)) == 0) {
			log_info("plugin", "loaded name=%s plugin=%s version=%s abi=%u file=%s",
			         p->name, p->entry->name, p->entry->version,
			         (unsigned)p->entry->abi, p->path);
			continue;
		}
		log_error("plugin", "refused name=%s file=%s reason=\"%s\"", p->name, p->path, why);
		if (first == 0)
			first = r;
	}
	return first;
}

/* --- life cycle ---------------------------------------------------------------------------- */

/* A plugin's call has failed; makes sure that it is seen as an error. */
int plugin_failed(const struct plugin *p, const char *call, int r)
{
	if (r > 0)
		r = -EINVAL;
	log_error("plugin", "%s failed name=%s error=\"%s\"", call, p->name, strerror(-r));
	return r;
}

static int init_plugin(struct plugin *p, const struct host_core *core)
{
	int r;

	if ((p->host = host_new(core, p->name, p->conf)) == NULL) {
		r = plugin_failed(p, "init", -ENOMEM);
		goto err0;
	}
	host_allow_register(p->host, true);
	r = p->entry->init(host_table(p->host), &p->self);
	host_allow_register(p->host, false);
	if (r != 0) {
		r = plugin_failed(p, "init", r);
		goto err1;
	}
	if ((r = config_plugin_unknown(p->conf, host_knows_key, p->host)) < 0)
		goto err2;
	if ((r = plugin_metrics_register(core->metrics, p->name, p->entry->version, &p->running)) <
	    0) {
		r = plugin_failed(p, "init", r);
		goto err2;
	}
	return 0;

err2:
	p->entry->destroy(p->self);
	certstore_withdraw_all(core->certs, p->name);
err1:
	host_free(p->host);
	p->host = NULL;
err0:
	return r;
}

int plugins_load(struct plugins **out, struct config *cfg, const struct host_core *core)
{
	struct plugins *set;
	int r;

	if ((set = set_new(cfg, false)) == NULL) {
		r = -ENOMEM;
		goto err0;
	}
	set->certs = core->certs;
	if ((r = open_all(set)) < 0)
		goto err1;
	for (size_t i = 0; i < set->n; i++)
		if ((r = init_plugin(&set->list[i], core)) < 0)
			goto err1;
	*out = set;
	return 0;

err1:
	plugins_free(set);
err0:
	return r;
}

int plugins_start(struct plugins *set)
{
	for (struct plugin *p = set->list; p < set->list + set->n; p++) {
		int r = p->entry->start != NULL ? p->entry->start(p->self) : 0;

		if (r != 0) {
			r = plugin_failed(p, "start", r);
			plugins_stop(set, 0); /* no connection was accepted so far */
			return r;
		}
		p->started = true;
		metrics_record(p->running, 1);
		log_debug("plugin", "started name=%s", p->name);
	}
	return 0;
}

void plugins_drain(struct plugins *set)
{
	for (struct plugin *p = set->list; p < set->list + set->n; p++)
		if (p->started && p->entry->drain != NULL)
			p->entry->drain(p->self);
}

static void stop_plugin(struct plugin *p, uint64_t deadline)
{
	const uint64_t begin = clock_ms();
	const uint64_t grace = begin < deadline ? deadline - begin : 0;
	const int r = p->entry->stop != NULL ? p->entry->stop(p->self, (unsigned)grace) : 0;
	const uint64_t took = clock_ms() - begin;
	const unsigned leases = host_leases(p->host);

	p->started = false;
	metrics_record(p->running, -1);
	if (r != 0)
		plugin_failed(p, "stop", r);
	if (leases > 0)
		log_error("plugin", "stop left leases behind name=%s leases=%u", p->name, leases);
	if (took > grace + 1000)
		log_warn("plugin", "stop was late name=%s took=%" PRIu64 "ms grace=%" PRIu64 "ms",
		         p->name, took, grace);
	p->stuck = r != 0 || leases > 0;
	log_debug("plugin", "stopped name=%s", p->name);
}

void plugins_stop(struct plugins *set, unsigned grace_ms)
{
	const uint64_t deadline = clock_ms() + grace_ms;

	for (size_t i = set->n; i-- > 0;)
		if (set->list[i].started)
			stop_plugin(&set->list[i], deadline);
}

void plugins_free(struct plugins *set)
{
	bool stuck = false;

	if (set == NULL)
		return;
	for (size_t i = set->n; i-- > 0;) {
		struct plugin *p = &set->list[i];

		stuck |= p->stuck;
		if (p->host != NULL && !p->stuck) {
			p->entry->destroy(p->self);
			certstore_withdraw_all(set->certs, p->name);
			host_free(p->host);
		}
		free(p->path);
	}
	if (stuck) {
		set->next = in_use;
		in_use = set;
		return;
	}
	free(set->list);
	free(set);
}

bool plugins_stuck(void)
{
	return in_use != NULL;
}

/* --- the subcommand ------------------------------------------------------------------------ */

static int list_plugin(struct plugins *set, struct plugin *p, FILE *out)
{
	static const char row[] = "%-15s %-15s %-9s %3s  %-8s %s%s%s\n";
	char why[PLUGIN_FILE_WHY], abi[12] = "-";
	int r;

	if (!p->conf->enabled) {
		fprintf(out, row, p->name, "-", "-", abi, "disabled", p->path, "", "");
		return 0;
	}
	r = open_plugin(set, p, why);
	if (p->abi != 0)
		snprintf(abi, sizeof(abi), "%u", (unsigned)p->abi);
	if (r == 0)
		fprintf(out, row, p->name, p->entry->name, p->entry->version, abi, "ok", p->path,
		        "", "");
	else
		fprintf(out, row, p->name, "-", "-", abi, "refused", p->path, ": ", why);
	return r;
}

int plugins_list(const struct config *cfg, FILE *out)
{
	struct plugins *set = set_new(cfg, true);
	int r = 0;

	if (set == NULL)
		return -ENOMEM;
	fprintf(out, "%-15s %-15s %-9s %3s  %-8s %s\n", "NAME", "PLUGIN", "VERSION", "ABI", "STATE",
	        "FILE");
	for (size_t i = 0; i < set->n; i++)
		if (list_plugin(set, &set->list[i], out) < 0)
			r = -EINVAL;
	plugins_free(set);
	return r;
}
