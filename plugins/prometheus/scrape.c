/*
 * One scrape: rendered, packed if the client likes, and answered in one call, on the thread of the
 * connection.  Two that run at once share nothing but atomic variables.
 */
#include "scrape.h"

#include "gzip.h"
#include "render.h"
#include "text.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Two hundred times what all plugins of this project say. */
#define TEXT_MAX (16u << 20)
#define HEADER_MAX 1024

/* Caches must not give one client what another asked for. */
#define VARY "Vary: Accept, Accept-Encoding\r\n"

struct exposition {
	struct render render;
	const char *prefix;
};

static void visit(void *arg, const struct nbs_metric_desc *desc, const double *values, size_t n)
{
	struct exposition *e = arg;

	render_series(&e->render, e->prefix, desc, values, n);
}

static int render_all(struct scrape *s, enum format format, struct text *text)
{
	struct exposition e = {.prefix = s->settings.prefix};

	render_begin(&e.render, text, format);
	s->host->metric_each(s->host, visit, &e);
	process_render(&s->process, &e.render);
	render_end(&e.render);
	return text->err;
}

/* "" without one; a longer one than anybody sends counts as none. */
static const char *header(struct scrape *s, struct nbs_request *rq, const char *name,
                          char value[static HEADER_MAX])
{
	return s->host->request_header(rq, name, value, HEADER_MAX) < 0 ? "" : value;
}

/* What is answered with 200. */
struct answer {
	struct text text;
	void *packed; /* NULL: `text` as it is */
	size_t packed_len;
};

static void answer_free(struct answer *a)
{
	free(a->packed);
	text_close(&a->text);
}

/* -EFBIG or -ENOMEM; answer_free() is owed in any case. */
static int compose(struct scrape *s, struct nbs_request *rq, enum format format, struct answer *a)
{
	char value[HEADER_MAX];
	int r;

	a->packed = NULL;
	text_open(&a->text, TEXT_MAX);
	if ((r = render_all(s, format, &a->text)) < 0)
		return r;
	if (negotiate_gzip(header(s, rq, "accept-encoding", value)))
		r = gzip_pack(a->text.at, a->text.len, &a->packed, &a->packed_len);
	return r;
}

/* One line when it begins; whoever scrapes will do so again and again. */
static void fail(struct scrape *s, struct nbs_request *rq, int err)
{
	static const char much[] = "more than 16 MiB of metrics\n", memory[] = "out of memory\n";
	const char *why = err == -EFBIG ? much : memory;

	s->host->metric_record(s->failed, 1);
	if (!atomic_exchange(&s->failing, true))
		s->host->log(s->host, NBS_WARN, "scrapes are answered with 500: %.*s",
		             (int)strcspn(why, "\n"), why);
	s->host->request_reply(rq, 500, "text/plain; charset=utf-8", NULL, why, strlen(why));
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* What the answer's way to the client is like is none of our business. */
static void reply(struct scrape *s, struct nbs_request *rq, const struct offer *offer,
                  const struct answer *a, double begin)
{
	const int packed = a->packed != NULL;

	if (s->host->request_reply(
		rq, 200, offer->content_type, packed ? "Content-Encoding: gzip\r\n" VARY : VARY,
		packed ? a->packed : a->text.at, packed ? a->packed_len : a->text.len) < 0)
		return;
	atomic_store(&s->failing, false);
	s->host->metric_record(s->served[offer->format], 1);
	s->host->metric_record(s->duration, now() - begin);
}

static void handle(void *arg, struct nbs_request *rq)
{
	struct scrape *s = arg;
	const double begin = now();
	char value[HEADER_MAX];
	const struct offer *offer = negotiate_offer(header(s, rq, "accept", value));
	struct answer a;
	const int r = compose(s, rq, offer->format, &a);

	if (r < 0)
		fail(s, rq, r);
	else
		reply(s, rq, offer, &a, begin);
	answer_free(&a);
}

const struct nbs_route scrape_route = {
    .size = sizeof(scrape_route),
    .method = "GET",
    .path = "/metrics",
    .classes = NBS_ADMIN,
    .handle = handle,
};

int scrape_metrics(struct scrape *s)
{
	static const double bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25};
	static const char *const labels[FORMATS] = {
	    [FORMAT_TEXT] = "format=\"text\"", [FORMAT_OPENMETRICS] = "format=\"openmetrics\""};
	struct nbs_metric_desc desc = {.size = sizeof(desc),
	                               .kind = NBS_COUNTER,
	                               .name = "prometheus_scrapes_total",
	                               .help = "Scrapes that were answered, by format."};
	int r = 0;

	for (int i = 0; i < FORMATS && r == 0; i++) {
		desc.labels = labels[i];
		r = s->host->metric_register(s->host, &desc, &s->served[i]);
	}
	desc.labels = NULL;
	desc.name = "prometheus_scrape_failures_total";
	desc.help = "Scrapes that were answered with 500.";
	if (r == 0)
		r = s->host->metric_register(s->host, &desc, &s->failed);
	desc.kind = NBS_HISTOGRAM;
	desc.name = "prometheus_scrape_duration_seconds";
	desc.help = "How long it took to answer a scrape.";
	desc.bounds = bounds;
	desc.n_bounds = sizeof(bounds) / sizeof(*bounds);
	return r < 0 ? r : s->host->metric_register(s->host, &desc, &s->duration);
}
