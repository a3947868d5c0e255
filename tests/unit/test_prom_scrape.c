/* plugins/prometheus as a whole, with a host of the test's. */
#include <netbird-signal/plugin.h>

#include <criterion/criterion.h>

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct nbs_metric {
	struct nbs_metric_desc desc;
	char labels[64];
	double values[16];
};

struct nbs_request {
	/* Set by the test. */
	const char *accept, *accept_encoding;

	unsigned replies, status;
	char type[128], headers[128];
	char *body;
	size_t len;
};

static struct {
	/* Set by the test. */
	const char *address, *prefix;
	int64_t port;
	const char *flag; /* the value of --metrics-port */
	int listener_error, reply_error;
	bool flood;      /* series without an end */
	long fail_after; /* so many allocations of the plugin succeed; -1: all do */
	bool ran_out;

	struct nbs_metric metrics[8];
	size_t n_metrics;
	char listen[128], log[512];
	unsigned listeners, listener_flags, listener_classes;
	const struct nbs_route *route;
	void *arg, *self;
	struct nbs_host table;
} host;

/* --- memory that runs out -------------------------------------------------------------------- */

void *__real_malloc(size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool may_allocate(void)
{
	if (host.fail_after < 0)
		return true;
	host.ran_out = host.fail_after == 0;
	host.fail_after -= !host.ran_out;
	return !host.ran_out;
}

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_realloc(void *p, size_t size)
{
	return may_allocate() ? __real_realloc(p, size) : NULL;
}

/* --- the host -------------------------------------------------------------------------------- */

static void fake_log(struct nbs_host *h, enum nbs_level level, const char *fmt, ...)
{
	const size_t used = strlen(host.log);
	va_list ap;

	(void)h;
	if (level == NBS_DEBUG)
		return;
	va_start(ap, fmt);
	vsnprintf(host.log + used, sizeof(host.log) - used, fmt, ap);
	va_end(ap);
	strncat(host.log, "\n", sizeof(host.log) - strlen(host.log) - 1);
}

static int fake_str(struct nbs_host *h, const char *key, const char **value)
{
	const char *set = strcmp(key, "address") == 0 ? host.address : host.prefix;

	(void)h;
	if (set != NULL)
		*value = set;
	return 0;
}

static int fake_int(struct nbs_host *h, const char *key, int64_t min, int64_t max, int64_t *value)
{
	(void)h;
	cr_assert_str_eq(key, "port");
	cr_assert(*value >= min && *value <= max);
	if (host.flag != NULL)
		*value = strtoll(host.flag, NULL, 10);
	else if (host.port >= 0)
		*value = host.port;
	return *value >= min && *value <= max ? 0 : -EINVAL;
}

static int fake_flag(struct nbs_host *h, const char *option, const char *key)
{
	(void)h;
	cr_assert_str_eq(option, "metrics-port");
	cr_assert_str_eq(key, "port");
	return host.flag != NULL ? 0 : -ENOENT;
}

static int fake_metric(struct nbs_host *h, const struct nbs_metric_desc *desc,
                       struct nbs_metric **out)
{
	struct nbs_metric *m = &host.metrics[host.n_metrics++];

	(void)h;
	cr_assert(host.n_metrics <= sizeof(host.metrics) / sizeof(*host.metrics));
	m->desc = *desc;
	snprintf(m->labels, sizeof(m->labels), "%s", desc->labels != NULL ? desc->labels : "");
	m->desc.labels = m->labels;
	memset(m->values, 0, sizeof(m->values));
	*out = m;
	return 0;
}

static void fake_record(struct nbs_metric *m, double value)
{
	if (m->desc.kind == NBS_HISTOGRAM)
		m->values[m->desc.n_bounds] += 1; /* all in +Inf */
	else
		m->values[0] += value;
}

static size_t n_values(const struct nbs_metric *m)
{
	return m->desc.kind == NBS_HISTOGRAM ? m->desc.n_bounds + 3 : 1;
}

static void fake_each(struct nbs_host *h,
                      void (*visit)(void *arg, const struct nbs_metric_desc *, const double *values,
                                    size_t n),
                      void *arg)
{
	(void)h;
	for (size_t i = 0; i < host.n_metrics; i++)
		visit(arg, &host.metrics[i].desc, host.metrics[i].values,
		      n_values(&host.metrics[i]));
	for (unsigned i = 0; host.flood && i < 1000000; i++)
		visit(arg, &host.metrics[0].desc, host.metrics[0].values, 1);
}

static int fake_listener(struct nbs_host *h, const struct nbs_listener *listener)
{
	(void)h;
	cr_assert_eq(listener->size, sizeof(*listener));
	cr_assert_str_eq(listener->name, "metrics");
	snprintf(host.listen, sizeof(host.listen), "%s", listener->addresses);
	host.listeners++;
	host.listener_classes = listener->classes;
	host.listener_flags = listener->flags;
	return host.listener_error;
}

static int fake_route(struct nbs_host *h, const struct nbs_route *route, void *arg)
{
	(void)h;
	host.route = route;
	host.arg = arg;
	return 0;
}

static int fake_header(struct nbs_request *rq, const char *name, char *value, size_t size)
{
	const char *from = strcmp(name, "accept") == 0            ? rq->accept
	                   : strcmp(name, "accept-encoding") == 0 ? rq->accept_encoding
	                                                          : NULL;

	if (from == NULL)
		return -ENOENT;
	if (strlen(from) >= size)
		return -ENOSPC;
	strcpy(value, from);
	return (int)strlen(from);
}

static int fake_reply(struct nbs_request *rq, unsigned status, const char *content_type,
                      const char *headers, const void *body, size_t len)
{
	cr_assert_eq(rq->replies++, 0, "answered twice");
	if (host.reply_error < 0)
		return host.reply_error;
	rq->status = status;
	snprintf(rq->type, sizeof(rq->type), "%s", content_type);
	snprintf(rq->headers, sizeof(rq->headers), "%s", headers != NULL ? headers : "");
	rq->body = __real_malloc(len + 1);
	memcpy(rq->body, body, len);
	rq->body[len] = '\0';
	rq->len = len;
	return 0;
}

static const struct nbs_host fake_table = {
    .size = sizeof(struct nbs_host),
    .abi = NBS_ABI,
    .log = fake_log,
    .conf_str = fake_str,
    .conf_int = fake_int,
    .conf_flag = fake_flag,
    .metric_register = fake_metric,
    .metric_record = fake_record,
    .metric_each = fake_each,
    .listener_register = fake_listener,
    .route_register = fake_route,
    .request_header = fake_header,
    .request_reply = fake_reply,
};

static void set_up(void)
{
	memset(&host, 0, sizeof(host));
	host.table = fake_table;
	host.port = host.fail_after = -1;
}

TestSuite(prom_scrape, .init = set_up);

static int init(void)
{
	host.n_metrics = host.listeners = 0;
	host.log[0] = host.listen[0] = '\0';
	return nbs_plugin_entry.init(&host.table, &host.self);
}

static void begin(void)
{
	cr_assert_eq(init(), 0, "%s", host.log);
	cr_assert_eq(nbs_plugin_entry.start(host.self), 0);
}

static void end(void)
{
	nbs_plugin_entry.destroy(host.self);
}

static struct nbs_request scrape(const char *accept, const char *accept_encoding)
{
	struct nbs_request rq = {.accept = accept, .accept_encoding = accept_encoding};

	host.route->handle(host.arg, &rq);
	cr_assert_eq(rq.replies, 1);
	return rq;
}

/* --- the configuration ----------------------------------------------------------------------- */

static void expect_listen(const char *address, const char *listen, unsigned flags)
{
	host.address = address;
	cr_assert_eq(init(), 0, "%s", host.log);
	cr_expect_str_eq(host.listen, listen);
	cr_expect_eq(host.listeners, *listen != '\0');
	if (host.listeners > 0) {
		cr_expect_eq(host.listener_flags, flags, "%s", address);
		cr_expect_eq(host.listener_classes, NBS_ADMIN);
	}
	end();
}

Test(prom_scrape, where_it_listens)
{
	expect_listen(NULL, "*:9090", NBS_LISTENER_OPTIONAL);
	expect_listen("*", "*:9090", NBS_LISTENER_OPTIONAL);
	expect_listen("127.0.0.1", "127.0.0.1:9090", 0);
	expect_listen("::1", "[::1]:9090", 0);
	expect_listen("[::1]", "[::1]:9090", 0);
	expect_listen("fe80::1%lo", "[fe80::1%lo]:9090", 0);
	expect_listen(" 127.0.0.1 ,\t::1,[2001:db8::1] ",
	              "127.0.0.1:9090, [::1]:9090, [2001:db8::1]:9090", 0);
	expect_listen("", "", 0);
	host.port = 1234;
	expect_listen(NULL, "*:1234", 0);
	host.port = 9090;
	expect_listen(NULL, "*:9090", NBS_LISTENER_OPTIONAL);
	host.flag = "4321"; /* outranks the file */
	expect_listen("::1", "[::1]:4321", 0);
	host.flag = "9090"; /* somebody wants just this port */
	expect_listen(NULL, "*:9090", 0);
}

Test(prom_scrape, addresses_that_are_none)
{
	static const char *const bad[] = {
	    "localhost",
	    "127.0.0.1:9090",
	    "[::1]:9090",
	    "[127.0.0.1]",
	    "[*]",
	    "*:9090",
	    "::1]",
	    "[::1",
	    "127.0.0",
	    "127.0.0.1,",
	    ",",
	    "1.2.3.4,,::1",
	    " ",
	    "**",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		host.address = bad[i];
		cr_expect_eq(init(), -EINVAL, "%s", bad[i]);
		cr_expect(strstr(host.log, "address: expected"), "%s: %s", bad[i], host.log);
		cr_expect_eq(host.listeners, 0);
	}
}

Test(prom_scrape, prefixes)
{
	static const char *const bad[] = {"1a",
	                                  "a b",
	                                  "a-",
	                                  "a:",
	                                  "\xc3\xbc",
	                                  "_________________________________________________"
	                                  "________________"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		host.prefix = bad[i];
		cr_expect_eq(init(), -EINVAL, "%s", bad[i]);
		cr_expect(strstr(host.log, "prefix: expected"), "%s: %s", bad[i], host.log);
	}
	host.prefix = "_A9";
	cr_expect_eq(init(), 0);
	end();
}

Test(prom_scrape, all_bad_values_are_named_in_one_go)
{
	host.prefix = "1";
	host.address = "x";
	host.port = 65536;
	cr_expect_eq(init(), -EINVAL);
	cr_expect(strstr(host.log, "address:") && strstr(host.log, "prefix:"), "%s", host.log);
}

Test(prom_scrape, errors_of_the_host_end_init)
{
	host.listener_error = -EINVAL;
	cr_expect_eq(init(), -EINVAL);
	host.table.size = offsetof(struct nbs_host, listener_register);
	cr_expect_eq(init(), -ENOTSUP);
	cr_expect(strstr(host.log, "too old"), "%s", host.log);
}

Test(prom_scrape, a_reload_changes_nothing_and_says_so)
{
	host.address = "127.0.0.1";
	begin();
	host.log[0] = '\0';
	cr_expect_eq(nbs_plugin_entry.reload_prepare(host.self), 0);
	cr_expect_str_eq(host.log, "");
	host.address = "::1";
	host.port = 1;
	host.prefix = "x_";
	cr_expect_eq(nbs_plugin_entry.reload_prepare(host.self), 0);
	cr_expect_str_eq(host.log, "needs a restart to take effect: key=address\n"
	                           "needs a restart to take effect: key=port\n"
	                           "needs a restart to take effect: key=prefix\n");
	host.prefix = "-";
	cr_expect_eq(nbs_plugin_entry.reload_prepare(host.self), -EINVAL);
	end();
}

/* --- scrapes --------------------------------------------------------------------------------- */

static void expect_text(const char *body)
{
	cr_expect(strstr(body, "# TYPE prometheus_scrapes_total counter\n"), "%s", body);
	cr_expect(strstr(body, "\nprocess_open_fds "));
	cr_expect_not(strstr(body, "# EOF"));
}

Test(prom_scrape, both_formats)
{
	struct nbs_request text, open;

	begin();
	cr_expect_str_eq(host.route->path, "/metrics");
	cr_expect_str_eq(host.route->method, "GET");
	cr_expect_eq(host.route->classes, NBS_ADMIN);
	text = scrape(NULL, NULL);
	cr_expect_eq(text.status, 200);
	cr_expect_str_eq(text.type, "text/plain; version=0.0.4; charset=utf-8");
	cr_expect_str_eq(text.headers, "Vary: Accept, Accept-Encoding\r\n");
	expect_text(text.body);
	cr_expect(strstr(text.body, "prometheus_scrapes_total{format=\"text\"} 0\n"));
	open = scrape("application/openmetrics-text;version=0.0.1", NULL);
	cr_expect_str_eq(open.type, "application/openmetrics-text; version=0.0.1; charset=utf-8");
	cr_expect(strstr(open.body, "# TYPE prometheus_scrapes counter\n"));
	cr_expect(strstr(open.body, "prometheus_scrapes_total{format=\"text\"} 1\n"));
	cr_expect_str_eq(open.body + open.len - strlen("# EOF\n"), "# EOF\n");
	free(text.body);
	free(open.body);
	end();
}

Test(prom_scrape, a_prefix_is_not_for_the_process)
{
	struct nbs_request rq;

	host.prefix = "signal_";
	begin();
	rq = scrape(NULL, NULL);
	cr_expect(strstr(rq.body, "\nsignal_prometheus_scrapes_total{format=\"text\"} 0\n"));
	cr_expect_not(strstr(rq.body, "\nprometheus_"));
	cr_expect(strstr(rq.body, "\nprocess_open_fds "));
	cr_expect_not(strstr(rq.body, "signal_process_"));
	free(rq.body);
	end();
}

Test(prom_scrape, a_header_that_is_too_long_is_not_looked_at)
{
	char accept[2048] = "application/openmetrics-text";
	struct nbs_request rq;

	memset(accept + strlen(accept), ' ', sizeof(accept) - 1 - strlen(accept));
	begin();
	rq = scrape(accept, NULL);
	cr_expect_eq(rq.status, 200);
	expect_text(rq.body);
	free(rq.body);
	end();
}

static char *unpack(const struct nbs_request *rq)
{
	z_stream z = {.next_in = (Bytef *)rq->body, .avail_in = (uInt)rq->len};
	char *out = calloc(1, 1 << 20);

	z.next_out = (Bytef *)out;
	z.avail_out = (1 << 20) - 1;
	cr_assert_eq(inflateInit2(&z, 15 + 16), Z_OK);
	cr_assert_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
	cr_assert_eq(z.avail_in, 0);
	inflateEnd(&z);
	return out;
}

Test(prom_scrape, packed)
{
	struct nbs_request rq;
	char *body;

	begin();
	rq = scrape(NULL, "gzip");
	cr_expect_eq(rq.status, 200);
	cr_expect_str_eq(rq.headers, "Content-Encoding: gzip\r\nVary: Accept, Accept-Encoding\r\n");
	body = unpack(&rq);
	expect_text(body);
	cr_expect_lt(rq.len, strlen(body) / 2);
	free(body);
	free(rq.body);
	rq = scrape(NULL, "gzip;q=0");
	cr_expect_not(strstr(rq.headers, "gzip"));
	expect_text(rq.body);
	free(rq.body);
	end();
}

Test(prom_scrape, more_than_it_may_be_long)
{
	struct nbs_request rq;

	begin();
	host.flood = true;
	rq = scrape(NULL, NULL);
	cr_expect_eq(rq.status, 500);
	cr_expect_str_eq(rq.body, "more than 16 MiB of metrics\n");
	free(rq.body);
	free(scrape(NULL, "gzip").body);
	cr_expect_str_eq(host.log, "scrapes are answered with 500: more than 16 MiB of metrics\n",
	                 "once");
	host.flood = false;
	rq = scrape(NULL, NULL);
	cr_expect_eq(rq.status, 200);
	cr_expect(strstr(rq.body, "\nprometheus_scrape_failures_total 2\n"));
	free(rq.body);
	host.flood = true;
	host.log[0] = '\0';
	free(scrape(NULL, NULL).body);
	cr_expect(strstr(host.log, "500"), "it begins again");
	end();
}

Test(prom_scrape, a_client_that_has_gone_is_no_failure)
{
	struct nbs_request rq;

	begin();
	host.reply_error = -EPIPE;
	rq = scrape(NULL, "gzip");
	cr_expect_eq(rq.status, 0);
	host.reply_error = 0;
	rq = scrape(NULL, NULL);
	cr_expect(strstr(rq.body, "\nprometheus_scrape_failures_total 0\n"));
	cr_expect(strstr(rq.body, "\nprometheus_scrapes_total{format=\"text\"} 0\n"));
	free(rq.body);
	end();
}

/* Each allocation fails once: 500 or a whole answer, and never less. */
Test(prom_scrape, out_of_memory)
{
	unsigned failed = 0;

	begin();
	for (long n = 0;; n++) {
		struct nbs_request rq;

		host.ran_out = false;
		host.fail_after = n;
		rq = scrape(NULL, "gzip");
		host.fail_after = -1;
		if (rq.status == 200) {
			char *body = unpack(&rq);

			expect_text(body);
			free(body);
		} else {
			cr_expect_eq(rq.status, 500);
			cr_expect_str_eq(rq.body, "out of memory\n");
			failed++;
		}
		free(rq.body);
		if (!host.ran_out)
			break;
	}
	cr_expect_geq(failed, 2, "the text and what it is packed into: %u", failed);
	end();
}
