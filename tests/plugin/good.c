/*
 * For tests: the smallest plugin that does everything in the life cycle, and says so in the log.
 * Keys: `word` (text, can be changed by a reload), `fixed` (text, cannot), `fail` (yes: the
 * reload is refused).
 */
#include <netbird-signal/plugin.h>

#include <errno.h>
#include <stdlib.h>

NBS_PLUGIN_NOTE;

struct good {
	struct nbs_host *host;
	struct nbs_metric *reloads;
	const char *word, *next;
};

#define SAY(g, ...) (g)->host->log((g)->host, NBS_INFO, __VA_ARGS__)

static int good_init(struct nbs_host *host, void **self)
{
	const struct nbs_metric_desc desc = {
	    .size = sizeof(desc),
	    .kind = NBS_COUNTER,
	    .name = "good_reloads_total",
	    .help = "Reloads that this plugin has taken part in.",
	};
	const char *fixed = "";
	struct good *g;
	int r;

	if ((g = calloc(1, sizeof(*g))) == NULL)
		return -ENOMEM;
	g->host = host;
	g->word = "none";
	if ((r = host->conf_str(host, "word", &g->word)) < 0 ||
	    (r = host->conf_str(host, "fixed", &fixed)) < 0 ||
	    (r = host->conf_bool(host, "fail", &(int){0})) < 0 ||
	    (r = host->metric_register(host, &desc, &g->reloads)) < 0) {
		free(g);
		return r;
	}
	SAY(g, "init word=%s", g->word);
	*self = g;
	return 0;
}

static int good_start(void *self)
{
	struct good *g = self;

	SAY(g, "start");
	return 0;
}

static int good_reload_prepare(void *self)
{
	struct good *g = self;
	int fail = 0, r;

	g->next = "none";
	if ((r = g->host->conf_str(g->host, "word", &g->next)) < 0 ||
	    (r = g->host->conf_bool(g->host, "fail", &fail)) < 0)
		return r;
	SAY(g, "reload_prepare word=%s fail=%d", g->next, fail);
	return fail ? -EBUSY : 0;
}

static void good_reload_finish(void *self, int commit)
{
	struct good *g = self;

	if (commit) {
		g->word = g->next;
		g->host->metric_record(g->reloads, 1);
	}
	SAY(g, "reload_finish commit=%d word=%s", commit, g->word);
}

static void good_drain(void *self)
{
	struct good *g = self;

	SAY(g, "drain");
}

static int good_stop(void *self, unsigned grace_ms)
{
	struct good *g = self;

	SAY(g, "stop grace=%u", grace_ms);
	return 0;
}

static void good_destroy(void *self)
{
	struct good *g = self;

	SAY(g, "destroy");
	free(g);
}

const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,
    .name = "good",
    .version = "1.0",
    .init = good_init,
    .start = good_start,
    .reload_prepare = good_reload_prepare,
    .reload_finish = good_reload_finish,
    .drain = good_drain,
    .stop = good_stop,
    .destroy = good_destroy,
};
