/*
 * A plugin with one fault.  suite.mk builds it many times, each time with one of these macros set
 * to something else; without any it is sound.
 */
#include <netbird-signal/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef NOTE_MAGIC
#define NOTE_MAGIC NBS_MAGIC
#endif
#ifndef NOTE_ABI
#define NOTE_ABI NBS_ABI
#endif
#ifndef ENTRY
#define ENTRY nbs_plugin_entry
#endif
#ifndef ENTRY_MAGIC
#define ENTRY_MAGIC NBS_MAGIC
#endif
#ifndef ENTRY_ABI
#define ENTRY_ABI NBS_ABI
#endif
#ifndef ENTRY_SIZE
#define ENTRY_SIZE sizeof(struct nbs_plugin)
#endif
#ifndef NAME
#define NAME "broken"
#endif
#ifndef VERSION_TEXT
#define VERSION_TEXT "1.0"
#endif
#ifndef INIT
#define INIT broken_init
#endif
#ifndef DESTROY
#define DESTROY broken_destroy
#endif
#ifndef IN_INIT
#define IN_INIT(host) 0
#endif
#ifndef IN_START
#define IN_START(host) 0
#endif
#ifndef IN_PREPARE
#define IN_PREPARE(host) 0
#endif
#ifndef IN_STOP
#define IN_STOP(host) 0
#endif

#define MAYBE_UNUSED __attribute__((unused))

#ifndef WITHOUT_NOTE
__attribute__((section(".note.netbird-signal"), used,
               aligned(4))) static const struct nbs_plugin_note note = {
    sizeof(NBS_NOTE_NAME), 8, NBS_NOTE_TYPE, NBS_NOTE_NAME, NOTE_MAGIC, NOTE_ABI};
#endif

/* Where code of a file that should have been refused leaves its mark. */
static void __attribute__((constructor)) leave_mark(void)
{
	const char *mark = getenv("BROKEN_MARK");

	if (mark != NULL)
		close(open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

#ifdef UNDEFINED
void nowhere_defined(void);
NBS_EXPORT void broken_calls(void);
void broken_calls(void)
{
	nowhere_defined();
}
#endif

#ifdef MISSING_LIBRARY
void gone(void);
NBS_EXPORT void broken_calls(void);
void broken_calls(void)
{
	gone();
}
#endif

static const struct nbs_metric_desc a_metric = {
    .size = sizeof(a_metric), .kind = NBS_COUNTER, .name = "broken_total", .help = "One."};

static int MAYBE_UNUSED register_metric(struct nbs_host *host)
{
	struct nbs_metric *metric;
	int r = host->metric_register(host, &a_metric, &metric);

	host->log(host, NBS_INFO, "metric_register gave %d", r);
	return r;
}

static int MAYBE_UNUSED ask_number(struct nbs_host *host)
{
	int64_t n = 0;

	return host->conf_int(host, "number", 1, 9, &n);
}

static void on_registered(void *cookie, int verdict, const char *why)
{
	(void)cookie, (void)verdict, (void)why;
}

static void on_wake(void *cookie)
{
	(void)cookie;
}

static void on_hangup(void *cookie, enum nbs_reason why)
{
	(void)cookie, (void)why;
}

/* Runs after start(): leases may be had from then on. */
static void take_lease(void *arg)
{
	static const struct nbs_peer_ops ops = {sizeof(ops), on_registered, on_wake, on_hangup};
	static struct nbs_peer *lease;
	struct nbs_host *host = arg;

	host->log(host, NBS_INFO, "peer_register gave %d",
	          host->peer_register(host, "broken", 6, &ops, NULL, &lease));
}

static int MAYBE_UNUSED want_lease(struct nbs_host *host)
{
	return host->post(host, take_lease, host);
}

static int MAYBE_UNUSED broken_init(struct nbs_host *host, void **self)
{
	*self = host;
	host->log(host, NBS_INFO, "init");
	return IN_INIT(host);
}

static int broken_start(void *self)
{
	struct nbs_host *host = self;

	host->log(host, NBS_INFO, "start");
	return IN_START(host);
}

static int broken_reload_prepare(void *self)
{
	struct nbs_host *host = self;

	host->log(host, NBS_INFO, "reload_prepare");
	return IN_PREPARE(host);
}

static int broken_stop(void *self, unsigned grace_ms)
{
	struct nbs_host *host = self;

	(void)grace_ms;
	host->log(host, NBS_INFO, "stop");
	return IN_STOP(host);
}

static void MAYBE_UNUSED broken_destroy(void *self)
{
	struct nbs_host *host = self;

	host->log(host, NBS_INFO, "destroy");
}

extern NBS_EXPORT const struct nbs_plugin ENTRY;
const struct nbs_plugin ENTRY = {
    .magic = ENTRY_MAGIC,
    .abi = ENTRY_ABI,
    .size = ENTRY_SIZE,
    .name = NAME,
    .version = VERSION_TEXT,
    .init = INIT,
    .start = broken_start,
    .reload_prepare = broken_reload_prepare,
    .stop = broken_stop,
    .destroy = DESTROY,
};
