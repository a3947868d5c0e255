/*
 * Certificates from a CA by ACME: what the daemon calls, and the life cycle.
 */
#include "acme.h"
#include "challenges.h"
#include "command.h"
#include "errand.h"
#include "metrics.h"
#include "served.h"
#include "settings.h"
#include "status.h"
#include "worker.h"

#include <netbird-signal/plugin.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct letsencrypt {
	struct nbs_host *host;
	struct metrics metrics;
	struct status_board board;
	struct errand *errand;
	struct served served;
	struct challenges_tls tls;
	struct challenges *challenges;
	struct worker *worker;  /* NULL: idle, there is no domain */
	struct settings *fixed; /* as they were at the start */
	struct settings *next;  /* prepared for a reload */
	struct command command;
};

static bool has_challenge(const struct challenges_settings *c, enum challenge_type type)
{
	for (size_t i = 0; i < c->n_order; i++)
		if (c->order[i] == type)
			return true;
	return false;
}

static int bring(struct nbs_host *host, const char *name, const char *addresses, unsigned class,
                 unsigned flags)
{
	const struct nbs_listener listener = {.size = sizeof(listener),
	                                      .name = name,
	                                      .addresses = addresses,
	                                      .classes = class,
	                                      .flags = flags | NBS_LISTENER_OPTIONAL};

	return addresses[0] != '\0' ? host->listener_register(host, &listener) : 0;
}

static int bring_listeners(struct nbs_host *host, const struct settings *s)
{
	int r = 0;

	if (has_challenge(&s->challenges, CHALLENGE_HTTP))
		r = bring(host, "acme-http", s->http_address, NBS_CHALLENGE,
		          NBS_LISTENER_PLAINTEXT);
	return r < 0 ? r : bring(host, "acme-tls", s->tls_address, NBS_PUBLIC, NBS_LISTENER_HTTP2);
}

/* The settings are GIVEN. */
static int open_worker(struct letsencrypt *p, struct settings *settings)
{
	const struct worker_parts parts = {.host = p->host,
	                                   .challenges = p->challenges,
	                                   .served = &p->served,
	                                   .metrics = &p->metrics,
	                                   .board = &p->board};
	int r;

	if (settings->names.n == 0) {
		settings_free(settings);
		return 0;
	}
	if ((r = bring_listeners(p->host, settings)) < 0) {
		settings_free(settings);
		return r;
	}
	return worker_open(&p->worker, &parts, settings);
}

static int open_parts(struct letsencrypt *p, struct settings *settings)
{
	int r;

	status_open(&p->board);
	if ((r = metrics_open(&p->metrics, p->host)) < 0)
		goto err0;
	if ((r = errand_open(&p->errand, p->host)) < 0)
		goto err0;
	p->served = (struct served){.host = p->host, .errand = p->errand};
	p->tls = served_challenges(&p->served);
	if ((r = challenges_open(&p->challenges, p->host, &p->tls)) < 0)
		goto err1;
	r = open_worker(p, settings);
	settings = NULL;
	if (r < 0)
		goto err2;
	p->command = (struct command){.host = p->host, .board = &p->board, .worker = p->worker};
	if ((r = command_open(&p->command)) < 0)
		goto err3;
	return 0;
err3:
	worker_close(p->worker);
err2:
	challenges_close(p->challenges);
err1:
	errand_close(p->errand);
err0:
	settings_free(settings);
	status_close(&p->board);
	return r;
}

static int letsencrypt_init(struct nbs_host *host, void **self)
{
	struct settings *settings;
	struct letsencrypt *p;
	int r;

	if (!NBS_HAS(struct nbs_host, host, call_print)) {
		host->log(host, NBS_ERROR, "this daemon is too old: it takes no certificates");
		return -ENOTSUP;
	}
	if ((r = acme_prepare()) < 0) {
		host->log(host, NBS_ERROR, "libcurl cannot be used: %s", strerror(-r));
		return r;
	}
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return -ENOMEM;
	p->host = host;
	if ((r = settings_read(&settings, host)) < 0)
		goto err0;
	if ((p->fixed = settings_fixed(settings)) == NULL) {
		settings_free(settings);
		r = -ENOMEM;
		goto err0;
	}
	if ((r = open_parts(p, settings)) < 0)
		goto err1;
	*self = p;
	return 0;
err1:
	settings_free(p->fixed);
err0:
	free(p);
	return r;
}

static int letsencrypt_start(void *self)
{
	struct letsencrypt *p = self;

	if (p->worker != NULL)
		return worker_start(p->worker);
	p->host->log(p->host, NBS_INFO, "idle: [plugin letsencrypt] has no domain");
	return 0;
}

static int letsencrypt_reload_prepare(void *self)
{
	struct letsencrypt *p = self;

	return settings_read(&p->next, p->host);
}

static void letsencrypt_reload_finish(void *self, int commit)
{
	struct letsencrypt *p = self;
	struct settings *next = p->next;

	p->next = NULL;
	if (!commit) {
		settings_free(next);
		return;
	}
	if ((p->worker == NULL) != (next->names.n == 0)) {
		p->host->log(p->host, NBS_WARN, "needs a restart to take effect: key=domain");
		settings_free(next);
		return;
	}
	settings_keep(next, p->fixed, p->host);
	if (p->worker != NULL)
		worker_configure(p->worker, next);
	else
		settings_free(next);
}

/* In this order: then the worker waits for nobody, and main can wait for it. */
static void letsencrypt_drain(void *self)
{
	struct letsencrypt *p = self;

	if (p->worker == NULL)
		return;
	worker_cancel(p->worker);
	errand_cancel(p->errand);
}

static int letsencrypt_stop(void *self, unsigned grace_ms)
{
	struct letsencrypt *p = self;

	(void)grace_ms; /* what is cancelled takes no time */
	letsencrypt_drain(p);
	if (p->worker != NULL)
		worker_stop(p->worker);
	return 0;
}

static void letsencrypt_destroy(void *self)
{
	struct letsencrypt *p = self;

	worker_close(p->worker);
	challenges_close(p->challenges);
	errand_close(p->errand);
	status_close(&p->board);
	settings_free(p->next);
	settings_free(p->fixed);
	free(p);
}

NBS_PLUGIN_NOTE;

NBS_EXPORT const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,
    .name = "letsencrypt",
    .version = VERSION,
    .init = letsencrypt_init,
    .start = letsencrypt_start,
    .reload_prepare = letsencrypt_reload_prepare,
    .reload_finish = letsencrypt_reload_finish,
    .drain = letsencrypt_drain,
    .stop = letsencrypt_stop,
    .destroy = letsencrypt_destroy,
};
