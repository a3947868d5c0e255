/*
 * For tests: takes "h2" connections in the open() form.  After the 24 bytes of the preface it
 * reads lines and sends them back; a line that begins with ! is a command:
 *   !about      answers "remote=... local=... listener=... admin=... id=..."
 *   !fill N     sends N times x and a newline, whatever room there is, then "filled stops=S"
 *   !pause MS   reads nothing for MS milliseconds, then answers "resumed"
 *   !wake N     is woken N times from another thread, answers "woken" once
 *   !flush N    sends N times x and closes with NBS_CLOSE_FLUSH
 *   !abort      closes with NBS_CLOSE_ABORT
 * The end of the input is answered with "eof" and NBS_CLOSE_FLUSH.  Key `refuse` (yes: open()
 * refuses).  Metrics: echo_connections, echo_threads, echo_closed_total{how="clean|broken"}, and
 * echo_violations_total, which counts what the contract does not allow the daemon to do.
 */
#include <netbird-signal/plugin.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

NBS_PLUGIN_NOTE;

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PREFACE_LEN (sizeof(PREFACE) - 1)
#define LINE_MAX_LEN 65536

enum { CONNECTIONS, THREADS, CLEAN, BROKEN, VIOLATIONS, N_METRICS };

struct echo {
	struct nbs_host *host;
	struct nbs_metric *metrics[N_METRICS];
	int refuse;
	pthread_mutex_t lock; /* the list, due and wakes of each stream, stopping, quit */
	pthread_cond_t changed;
	struct stream *streams;
	bool stopping, quit;
	pthread_t alarm;
};

/* What thread_begin() makes for a thread of the daemon. */
struct worker {
	pthread_t tid;
};

struct buffer {
	char *bytes;
	size_t len, cap;
};

struct stream {
	struct echo *echo;
	struct nbs_conn *conn;
	const struct worker *worker;
	struct stream *next, *prev;
	uint64_t due;   /* when the alarm thread calls conn_wake(), 0: never */
	unsigned wakes; /* how often */
	bool rang;      /* it did */
	struct buffer in, out;
	size_t fill;    /* so many x are still to be sent */
	unsigned stops; /* how often conn_write() was full meanwhile */
	bool filling, preface, full, pausing, waking, at_eof, close_after, closing;
	bool inside; /* a host function is running */
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void count(struct echo *e, int metric, double value)
{
	e->host->metric_record(e->metrics[metric], value);
}

static void violation(struct echo *e, const char *what)
{
	e->host->log(e->host, NBS_ERROR, "violation: %s", what);
	count(e, VIOLATIONS, 1);
}

/* At the head of each callback. */
static void check_call(struct stream *s, const char *call)
{
	if (s->worker == NULL || !pthread_equal(s->worker->tid, pthread_self()))
		violation(s->echo, "callback on a foreign thread");
	if (s->inside)
		violation(s->echo, call);
}

static bool append(struct buffer *b, const void *bytes, size_t len)
{
	if (b->len + len > b->cap) {
		const size_t cap = (b->len + len) * 2;
		char *grown = realloc(b->bytes, cap);

		if (grown == NULL)
			return false;
		b->bytes = grown;
		b->cap = cap;
	}
	if (len > 0)
		memcpy(b->bytes + b->len, bytes, len);
	b->len += len;
	return true;
}

static void consume(struct buffer *b, size_t len)
{
	b->len -= len;
	memmove(b->bytes, b->bytes + len, b->len);
}

/* --- the stream's own thread ----------------------------------------------------------------- */

static void end(struct stream *s, int how)
{
	if (s->closing)
		return;
	s->closing = true;
	s->inside = true;
	s->echo->host->conn_close(s->conn, how);
	s->inside = false;
}

/* Reading stops while there is something that cannot be written. */
static void set_full(struct stream *s, bool full)
{
	if (s->full == full)
		return;
	s->full = full;
	s->inside = true;
	if (full)
		s->echo->host->conn_pause(s->conn);
	else if (!s->pausing)
		s->echo->host->conn_resume(s->conn);
	s->inside = false;
}

static size_t put(struct stream *s, const char *bytes, size_t len)
{
	size_t n;

	s->inside = true;
	n = s->echo->host->conn_write(s->conn, bytes, len);
	s->inside = false;
	if (n > len)
		violation(s->echo, "conn_write() took more than there was");
	set_full(s, n < len);
	return n;
}

/* Text of our own, or a line to send back; kept until there is room. */
static void say(struct stream *s, const char *bytes, size_t len)
{
	if (!append(&s->out, bytes, len))
		end(s, NBS_CLOSE_ABORT);
}

static void answer(struct stream *s, const char *text)
{
	say(s, text, strlen(text));
}

static void put_fill(struct stream *s)
{
	char block[16384];

	memset(block, 'x', sizeof(block));
	while (s->fill > 0 && !s->full)
		s->fill -= put(s, block, s->fill < sizeof(block) ? s->fill : sizeof(block));
	if (s->full) {
		s->stops++;
		return;
	}
	s->filling = false;
	if (!s->close_after) {
		char text[64];

		snprintf(text, sizeof(text), "\nfilled stops=%u\n", s->stops);
		answer(s, text);
	}
}

static void say_about(struct stream *s)
{
	struct nbs_conn_about about = {.size = sizeof(about)};
	char text[NBS_ADDR_MAX * 2 + 128];

	s->inside = true;
	s->echo->host->conn_about(s->conn, &about);
	s->inside = false;
	snprintf(text, sizeof(text), "remote=%s local=%s listener=%s admin=%d id=%llu\n",
	         about.remote, about.local, about.listener, about.admin,
	         (unsigned long long)about.id);
	answer(s, text);
}

static void set_alarm(struct stream *s, uint64_t after_ms, unsigned wakes)
{
	struct echo *e = s->echo;

	pthread_mutex_lock(&e->lock);
	s->due = now_ms() + after_ms;
	s->wakes = wakes;
	s->rang = false;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
}

static void start_pause(struct stream *s, uint64_t ms)
{
	s->pausing = true;
	s->inside = true;
	s->echo->host->conn_pause(s->conn);
	s->inside = false;
	set_alarm(s, ms, 1);
}

static void command(struct stream *s, const char *line)
{
	unsigned long n = 0;

	if (strcmp(line, "!about") == 0) {
		say_about(s);
	} else if (sscanf(line, "!fill %lu", &n) == 1 || sscanf(line, "!flush %lu", &n) == 1) {
		s->fill = n;
		s->stops = 0;
		s->filling = true;
		s->close_after = line[2] == 'l';
	} else if (sscanf(line, "!pause %lu", &n) == 1) {
		start_pause(s, n);
	} else if (sscanf(line, "!wake %lu", &n) == 1 && n > 0) {
		s->waking = true;
		set_alarm(s, 0, (unsigned)n);
	} else if (strcmp(line, "!abort") == 0) {
		end(s, NBS_CLOSE_ABORT);
	} else {
		answer(s, "unknown command\n");
	}
}

/* One line of the input; false if there is no whole one. */
static bool take_line(struct stream *s)
{
	const char *nl = s->in.len > 0 ? memchr(s->in.bytes, '\n', s->in.len) : NULL;
	size_t len = nl != NULL ? (size_t)(nl - s->in.bytes) + 1 : s->in.len;

	if (nl == NULL && len < LINE_MAX_LEN)
		return false;
	if (nl != NULL && *s->in.bytes == '!') {
		char line[64];

		snprintf(line, sizeof(line), "%.*s", (int)(len - 1), s->in.bytes);
		consume(&s->in, len);
		command(s, line);
	} else {
		say(s, s->in.bytes, len);
		consume(&s->in, len);
	}
	return true;
}

static bool take_preface(struct stream *s)
{
	if (s->preface)
		return true;
	if (s->in.len < PREFACE_LEN)
		return false;
	if (memcmp(s->in.bytes, PREFACE, PREFACE_LEN) != 0) {
		violation(s->echo, "the preface is not what arrived first");
		end(s, NBS_CLOSE_ABORT);
		return false;
	}
	consume(&s->in, PREFACE_LEN);
	s->preface = true;
	return true;
}

/* Goes on until it has to wait for something. */
static void work(struct stream *s)
{
	if (!take_preface(s))
		return;
	while (!s->closing && !s->full && !s->pausing && !s->waking) {
		if (s->out.len > 0)
			consume(&s->out, put(s, s->out.bytes, s->out.len));
		else if (s->filling)
			put_fill(s);
		else if (s->close_after)
			end(s, NBS_CLOSE_FLUSH);
		else if (!take_line(s))
			break;
	}
	if (s->at_eof && !s->closing && !s->full && !s->pausing && !s->waking) {
		say(s, s->in.bytes, s->in.len);
		consume(&s->in, s->in.len);
		answer(s, "eof\n");
		s->at_eof = false;
		s->close_after = true;
		work(s);
	}
}

static void on_readable(void *cookie, const void *bytes, size_t len)
{
	struct stream *s = cookie;

	check_call(s, "readable() from inside a host function");
	if (s->closing)
		return;
	if (s->full || s->pausing)
		violation(s->echo, "readable() while paused");
	if (!append(&s->in, bytes, len))
		end(s, NBS_CLOSE_ABORT);
	work(s);
}

static void on_eof(void *cookie)
{
	struct stream *s = cookie;

	check_call(s, "eof() from inside a host function");
	if (!s->preface) {
		end(s, NBS_CLOSE_ABORT);
		return;
	}
	s->at_eof = true;
	work(s);
}

static void on_writable(void *cookie)
{
	struct stream *s = cookie;

	check_call(s, "writable() from inside a host function");
	if (!s->full && !s->closing)
		violation(s->echo, "writable() though nothing was refused");
	set_full(s, false);
	work(s);
}

static void on_woken(void *cookie)
{
	struct stream *s = cookie;
	struct echo *e = s->echo;
	bool rang, stopping;

	check_call(s, "woken() from inside a host function");
	pthread_mutex_lock(&e->lock);
	rang = s->rang;
	s->rang = false;
	stopping = e->stopping;
	pthread_mutex_unlock(&e->lock);
	if (stopping)
		end(s, NBS_CLOSE_FLUSH);
	if (!rang)
		return;
	if (s->pausing) {
		s->pausing = false;
		s->inside = true;
		if (!s->full && !s->closing)
			e->host->conn_resume(s->conn);
		s->inside = false;
		answer(s, "resumed\n");
	}
	if (s->waking) {
		s->waking = false;
		answer(s, "woken\n");
	}
	work(s);
}

static void on_closed(void *cookie, int err)
{
	struct stream *s = cookie;
	struct echo *e = s->echo;

	check_call(s, "closed() from inside a host function");
	e->host->log(e->host, NBS_DEBUG, "closed err=%d", err);
	pthread_mutex_lock(&e->lock);
	*(s->prev != NULL ? &s->prev->next : &e->streams) = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	count(e, CONNECTIONS, -1);
	count(e, err == 0 ? CLEAN : BROKEN, 1);
	free(s->in.bytes);
	free(s->out.bytes);
	free(s);
}

static int echo_open(void *arg, struct nbs_conn *conn, void *thread,
                     const struct nbs_conn_ops **ops, void **cookie)
{
	static const struct nbs_conn_ops echo_ops = {
	    .size = sizeof(echo_ops),
	    .readable = on_readable,
	    .eof = on_eof,
	    .writable = on_writable,
	    .woken = on_woken,
	    .closed = on_closed,
	};
	struct echo *e = arg;
	struct stream *s;
	bool stopping;

	if (e->refuse)
		return -EACCES;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return -ENOMEM;
	s->echo = e;
	s->conn = conn;
	s->worker = thread;
	pthread_mutex_lock(&e->lock);
	if (!(stopping = e->stopping)) {
		if ((s->next = e->streams) != NULL)
			s->next->prev = s;
		e->streams = s;
	}
	pthread_mutex_unlock(&e->lock);
	if (stopping) {
		free(s);
		return -ESHUTDOWN;
	}
	check_call(s, "");
	count(e, CONNECTIONS, 1);
	*ops = &echo_ops;
	*cookie = s;
	return 0;
}

static int echo_thread_begin(void *arg, void **thread)
{
	struct worker *w = malloc(sizeof(*w));

	if (w == NULL)
		return -ENOMEM;
	w->tid = pthread_self();
	*thread = w;
	count(arg, THREADS, 1);
	return 0;
}

static void echo_thread_end(void *arg, void *thread)
{
	struct worker *w = thread;

	if (!pthread_equal(w->tid, pthread_self()))
		violation(arg, "thread_end() on a foreign thread");
	count(arg, THREADS, -1);
	free(w);
}

/* --- the thread that wakes ---------------------------------------------------------------------
 */

/* Wakes whoever is due; returns how long to wait for the next, at most a second. */
static uint64_t ring(struct echo *e)
{
	const uint64_t now = now_ms();
	uint64_t wait = 1000;

	for (struct stream *s = e->streams; s != NULL; s = s->next) {
		if (s->due == 0)
			continue;
		if (s->due > now) {
			wait = s->due - now < wait ? s->due - now : wait;
			continue;
		}
		s->due = 0;
		s->rang = true;
		/* In the list, so closed() has not been called; it takes the lock. */
		for (; s->wakes > 0; s->wakes--)
			e->host->conn_wake(s->conn);
	}
	return wait;
}

static void wait_change(struct echo *e, uint64_t until_ms)
{
	const struct timespec ts = {.tv_sec = (time_t)(until_ms / 1000),
	                            .tv_nsec = (long)(until_ms % 1000) * 1000000};

	pthread_cond_timedwait(&e->changed, &e->lock, &ts);
}

static void *alarm_run(void *arg)
{
	struct echo *e = arg;

	pthread_mutex_lock(&e->lock);
	while (!e->quit) {
		const uint64_t wait = ring(e);

		wait_change(e, now_ms() + wait);
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

/* --- life cycle ------------------------------------------------------------------------------ */

static int register_metrics(struct echo *e)
{
	static const struct nbs_metric_desc descs[N_METRICS] = {
	    [CONNECTIONS] = {sizeof(*descs), NBS_GAUGE, "echo_connections", "Open.", NULL, NULL, 0},
	    [THREADS] = {sizeof(*descs), NBS_GAUGE, "echo_threads", "Begun.", NULL, NULL, 0},
	    [CLEAN] = {sizeof(*descs), NBS_COUNTER, "echo_closed_total", "Closed.", "how=\"clean\"",
	               NULL, 0},
	    [BROKEN] = {sizeof(*descs), NBS_COUNTER, "echo_closed_total", "Closed.",
	                "how=\"broken\"", NULL, 0},
	    [VIOLATIONS] = {sizeof(*descs), NBS_COUNTER, "echo_violations_total",
	                    "Faults of the daemon.", NULL, NULL, 0},
	};
	int r = 0;

	for (int i = 0; i < N_METRICS && r == 0; i++)
		r = e->host->metric_register(e->host, &descs[i], &e->metrics[i]);
	return r;
}

static int echo_init(struct nbs_host *host, void **self)
{
	static const struct nbs_service service = {
	    .size = sizeof(service),
	    .protocol = "h2",
	    .open = echo_open,
	    .thread_begin = echo_thread_begin,
	    .thread_end = echo_thread_end,
	};
	pthread_condattr_t attr;
	struct echo *e;
	int r;

	if ((e = calloc(1, sizeof(*e))) == NULL)
		return -ENOMEM;
	e->host = host;
	if ((r = host->conf_bool(host, "refuse", &e->refuse)) < 0 ||
	    (r = register_metrics(e)) < 0 || (r = host->service_register(host, &service, e)) < 0) {
		free(e);
		return r;
	}
	pthread_mutex_init(&e->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&e->changed, &attr);
	pthread_condattr_destroy(&attr);
	*self = e;
	return 0;
}

static int echo_start(void *self)
{
	struct echo *e = self;
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&e->alarm, NULL, alarm_run, e);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* Asks every stream to end, and leaves those that cannot within the grace to the daemon. */
static int echo_stop(void *self, unsigned grace_ms)
{
	const uint64_t deadline = now_ms() + grace_ms;
	struct echo *e = self;

	pthread_mutex_lock(&e->lock);
	e->stopping = true;
	for (struct stream *s = e->streams; s != NULL; s = s->next)
		e->host->conn_wake(s->conn);
	while (e->streams != NULL && now_ms() < deadline)
		wait_change(e, deadline);
	e->quit = true;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	pthread_join(e->alarm, NULL);
	return 0;
}

static void echo_destroy(void *self)
{
	struct echo *e = self;

	pthread_cond_destroy(&e->changed);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,     .name = "echo_conn", .version = "1.0",        .init = echo_init,
    .start = echo_start, .stop = echo_stop,   .destroy = echo_destroy,
};
