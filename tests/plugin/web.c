/*
 * For tests: routes and WebSocket paths.
 *
 * Routes: GET /web/hello, POST and PUT /web/echo (the body, at most 64 KiB), GET /web/tree/...
 * (the path), GET /web/big?size=N, GET /web/header?name=X and /web/query?X=..&name=X (its value),
 * GET /web/admin (class admin only), GET /web/mute (no answer), GET /web/wake (wakes every
 * WebSocket, from the main thread).
 *
 * WebSockets: /web/ws (no subprotocol) and /web/sub (subprotocol web.v1) echo what they get, piece
 * by piece, after the query's `greet` or the header x-greet; with `pause` in the query only after a
 * wake-up.  Text that begins with ! is a command:
 *   !about          who and how, one line
 *   !pause          no more messages until a wake-up
 *   !fill N         a binary message of N bytes, byte i is i & 255
 *   !split N        what is echoed is written in pieces of N bytes
 *   !close C TEXT   closes with that code and reason
 *   !drop N         writes as !fill does until the socket is full, and closes with 4001
 * /web/refuse and /web/leave are refused by open() with -EACCES and -ESHUTDOWN, /web/close is
 * closed by open() with 4000.  web_open counts those whose closed() has not come, and
 * web_closed_total{code} how they ended.
 *
 * Keys: object (what it has against being ready; reload: yes), linger (milliseconds that stop()
 * takes).
 */
#include <netbird-signal/plugin.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

NBS_PLUGIN_NOTE;

#define BODY_MAX 65536
#define PIECE 16384

static const unsigned codes[] = {1000, 1001, 1002, 1005, 1006, 1007, 1011, 4000, 4001, 0};
#define N_CODES (sizeof(codes) / sizeof(*codes))

struct web {
	struct nbs_host *host;
	struct nbs_metric *open, *violations, *closed[N_CODES];
	int64_t linger;
	pthread_mutex_t lock; /* the list, which the main thread walks */
	struct socket *first;
};

/* What could not be written yet. */
struct waiting {
	struct waiting *next;
	unsigned flags;
	size_t at, len;
	unsigned char bytes[];
};

struct socket {
	struct web *web;
	struct nbs_ws *ws;
	struct socket *prev, *next;
	struct waiting *first, **last;
	unsigned long fill, filled, split;
	bool full, paused, inside, closing;
	char command[256];
	size_t command_len;
	bool in_command;
};

/* --- routes ---------------------------------------------------------------------------------- */

static void say(struct web *w, struct nbs_request *rq, unsigned status, const char *text)
{
	w->host->request_reply(rq, status, "text/plain", NULL, text, strlen(text));
}

static void hello(void *arg, struct nbs_request *rq)
{
	struct nbs_conn_about about = {.size = sizeof(about)};
	struct web *w = arg;
	char text[256];

	w->host->request_conn(rq, &about);
	snprintf(text, sizeof(text), "remote=%s listener=%s admin=%d tls=%s proxy=%s\n",
	         about.remote, about.listener, about.admin, about.tls, about.proxy);
	say(w, rq, 200, text);
}

static void echo(void *arg, struct nbs_request *rq)
{
	struct nbs_request_about about = {.size = sizeof(about)};
	struct web *w = arg;
	char method[32];

	w->host->request_about(rq, &about);
	snprintf(method, sizeof(method), "X-Method: %s\r\n", about.method);
	w->host->request_reply(rq, 200, "application/octet-stream", method, about.body,
	                       about.body_len);
}

static void tree(void *arg, struct nbs_request *rq)
{
	struct nbs_request_about about = {.size = sizeof(about)};
	struct web *w = arg;

	w->host->request_about(rq, &about);
	say(w, rq, 200, about.path);
}

static void big(void *arg, struct nbs_request *rq)
{
	struct web *w = arg;
	char size[16] = "0", *bytes;
	unsigned long n;

	w->host->request_query(rq, "size", size, sizeof(size));
	n = strtoul(size, NULL, 10);
	if ((bytes = malloc(n + 1)) == NULL)
		return;
	memset(bytes, 'b', n);
	w->host->request_reply(rq, 200, "text/plain", NULL, bytes, n);
	free(bytes);
}

static void look_up(struct web *w, struct nbs_request *rq,
                    int (*get)(struct nbs_request *, const char *, char *, size_t))
{
	char name[64], value[64], text[128];
	int r = w->host->request_query(rq, "name", name, sizeof(name));

	if (r >= 0)
		r = get(rq, name, value, sizeof(value));
	if (r < 0)
		snprintf(text, sizeof(text), "error=%d", r);
	else
		snprintf(text, sizeof(text), "len=%d value=%s", r, value);
	say(w, rq, 200, text);
}

static void header(void *arg, struct nbs_request *rq)
{
	struct web *w = arg;

	look_up(w, rq, w->host->request_header);
}

static void query(void *arg, struct nbs_request *rq)
{
	struct web *w = arg;

	look_up(w, rq, w->host->request_query);
}

static void mute(void *arg, struct nbs_request *rq)
{
	(void)arg;
	(void)rq;
}

static void wake_all(void *arg)
{
	struct web *w = arg;

	pthread_mutex_lock(&w->lock);
	for (struct socket *s = w->first; s != NULL; s = s->next)
		w->host->ws_wake(s->ws);
	pthread_mutex_unlock(&w->lock);
}

static void wake(void *arg, struct nbs_request *rq)
{
	struct web *w = arg;

	say(w, rq, w->host->post(w->host, wake_all, w) < 0 ? 503 : 200, "woken\n");
}

/* --- WebSockets ------------------------------------------------------------------------------ */

static void violation(struct web *w, const char *what)
{
	w->host->log(w->host, NBS_ERROR, "violation: %s", what);
	w->host->metric_record(w->violations, 1);
}

static void keep(struct socket *s, const void *bytes, size_t len, unsigned flags)
{
	struct waiting *wait = malloc(sizeof(*wait) + len);

	if (wait == NULL)
		abort();
	*wait = (struct waiting){.flags = flags, .len = len};
	if (len > 0)
		memcpy(wait->bytes, bytes, len);
	*s->last = wait;
	s->last = &wait->next;
}

/* Returns whether all of it went. */
static bool put(struct socket *s, const unsigned char *bytes, size_t len, unsigned flags,
                size_t *taken)
{
	const struct nbs_host *host = s->web->host;

	s->inside = true;
	*taken = host->ws_write(s->ws, bytes, len, flags);
	s->inside = false;
	if (*taken > len)
		violation(s->web, "more was taken than there was");
	s->full = *taken < len;
	return !s->full;
}

static void put_waiting(struct socket *s)
{
	size_t taken;

	while (!s->full && s->first != NULL) {
		struct waiting *wait = s->first;
		unsigned flags = wait->at > 0 ? wait->flags & ~(unsigned)NBS_WS_FIRST : wait->flags;

		put(s, wait->bytes + wait->at, wait->len - wait->at, flags, &taken);
		wait->at += taken;
		if (s->full)
			return;
		if ((s->first = wait->next) == NULL)
			s->last = &s->first;
		free(wait);
	}
}

static void put_fill(struct socket *s)
{
	unsigned char piece[PIECE];
	size_t taken;

	while (!s->full && s->filled < s->fill) {
		const unsigned long left = s->fill - s->filled;
		const size_t n = left < sizeof(piece) ? left : sizeof(piece);
		unsigned flags =
		    (s->filled == 0 ? NBS_WS_FIRST : 0) | (n == left ? NBS_WS_FINAL : 0);

		for (size_t i = 0; i < n; i++)
			piece[i] = (unsigned char)(s->filled + i);
		put(s, piece, n, flags, &taken);
		s->filled += taken;
	}
	if (s->filled == s->fill)
		s->fill = s->filled = 0;
}

static void set_paused(struct socket *s, bool paused)
{
	const struct nbs_host *host = s->web->host;

	s->paused = paused;
	s->inside = true;
	if (s->paused || s->full)
		host->ws_pause(s->ws);
	else
		host->ws_resume(s->ws);
	s->inside = false;
}

static void work(struct socket *s)
{
	put_waiting(s);
	if (s->first == NULL && s->fill > 0)
		put_fill(s);
	set_paused(s, s->paused);
}

static void answer(struct socket *s, const char *text)
{
	keep(s, text, strlen(text), NBS_WS_FIRST | NBS_WS_FINAL | NBS_WS_TEXT);
}

static void about(struct socket *s)
{
	struct nbs_conn_about a = {.size = sizeof(a)};
	char text[256];

	s->web->host->ws_about(s->ws, &a);
	snprintf(text, sizeof(text), "remote=%s listener=%s admin=%d tls=%s", a.remote, a.listener,
	         a.admin, a.tls);
	answer(s, text);
}

static void close_socket(struct socket *s, unsigned code, const char *reason)
{
	const struct nbs_host *host = s->web->host;

	s->closing = true;
	host->ws_close(s->ws, code, reason);
	if (host->ws_write(s->ws, "x", 1, NBS_WS_FIRST | NBS_WS_FINAL) != 1)
		violation(s->web, "not taken after ws_close()");
}

static void run_command(struct socket *s)
{
	unsigned code;
	int at = 0;

	s->command[s->command_len] = '\0';
	if (strcmp(s->command, "!about") == 0) {
		about(s);
	} else if (strcmp(s->command, "!pause") == 0) {
		answer(s, "paused");
		set_paused(s, true);
	} else if (sscanf(s->command, "!fill %lu", &s->fill) == 1) {
		s->filled = 0;
	} else if (sscanf(s->command, "!split %lu", &s->split) == 1) {
		answer(s, "split");
	} else if (sscanf(s->command, "!close %u %n", &code, &at) == 1) {
		put_waiting(s);
		close_socket(s, code, at > 0 && s->command[at] != '\0' ? s->command + at : NULL);
	} else if (sscanf(s->command, "!drop %lu", &s->fill) == 1) {
		put_fill(s);
		close_socket(s, 4001, NULL);
	} else {
		answer(s, "unknown command");
	}
}

static void take_command(struct socket *s, const void *bytes, size_t len, unsigned flags)
{
	if (len > sizeof(s->command) - 1 - s->command_len)
		len = sizeof(s->command) - 1 - s->command_len;
	memcpy(s->command + s->command_len, bytes, len);
	s->command_len += len;
	if (!(flags & NBS_WS_FINAL))
		return;
	s->in_command = false;
	run_command(s);
}

static void echo_piece(struct socket *s, const unsigned char *bytes, size_t len, unsigned flags)
{
	const size_t split = s->split > 0 ? s->split : len;

	do {
		const size_t n = len < split ? len : split;

		keep(s, bytes, n, n == len ? flags : flags & ~(unsigned)NBS_WS_FINAL);
		bytes += n;
		len -= n;
		flags &= ~(unsigned)NBS_WS_FIRST;
	} while (len > 0);
}

static void check(struct socket *s, const char *what)
{
	if (s->inside)
		violation(s->web, what);
	if (s->closing)
		violation(s->web, "a callback after ws_close()");
}

static void on_message(void *cookie, const void *bytes, size_t len, unsigned flags)
{
	struct socket *s = cookie;

	check(s, "message() from inside a host function");
	if ((flags & NBS_WS_FIRST) && (flags & NBS_WS_TEXT) && len > 0 &&
	    *(const char *)bytes == '!') {
		s->in_command = true;
		s->command_len = 0;
	}
	if (s->in_command)
		take_command(s, bytes, len, flags);
	else
		echo_piece(s, bytes, len, flags);
	if (!s->closing)
		work(s);
}

static void on_writable(void *cookie)
{
	struct socket *s = cookie;

	check(s, "writable() from inside a host function");
	if (!s->full)
		violation(s->web, "writable() though nothing was refused");
	s->full = false;
	work(s);
}

static void on_woken(void *cookie)
{
	struct socket *s = cookie;

	check(s, "woken() from inside a host function");
	answer(s, "woken");
	set_paused(s, false);
	work(s);
}

static void on_closed(void *cookie, unsigned code)
{
	struct socket *s = cookie;
	struct web *w = s->web;
	struct waiting *wait, *next;
	size_t i = 0;

	if (s->inside)
		violation(w, "closed() from inside a host function");
	w->host->log(w->host, NBS_DEBUG, "closed code=%u", code);
	while (i < N_CODES - 1 && codes[i] != code)
		i++;
	w->host->metric_record(w->closed[i], 1);
	w->host->metric_record(w->open, -1);
	pthread_mutex_lock(&w->lock);
	*(s->prev != NULL ? &s->prev->next : &w->first) = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	pthread_mutex_unlock(&w->lock);
	for (wait = s->first; wait != NULL; wait = next) {
		next = wait->next;
		free(wait);
	}
	free(s);
}

static int on_open(void *arg, struct nbs_ws *ws, const struct nbs_ws_ops **ops, void **cookie)
{
	static const struct nbs_ws_ops socket_ops = {
	    .size = sizeof(socket_ops),
	    .message = on_message,
	    .writable = on_writable,
	    .woken = on_woken,
	    .closed = on_closed,
	};
	struct socket *s = calloc(1, sizeof(*s));
	struct web *w = arg;
	char greeting[64];
	int r;

	if (s == NULL)
		return -ENOMEM;
	s->web = w;
	s->ws = ws;
	s->last = &s->first;
	pthread_mutex_lock(&w->lock);
	if ((s->next = w->first) != NULL)
		s->next->prev = s;
	w->first = s;
	pthread_mutex_unlock(&w->lock);
	w->host->metric_record(w->open, 1);
	if ((r = w->host->ws_query(ws, "greet", greeting, sizeof(greeting))) >= 0 ||
	    (r = w->host->ws_header(ws, "x-greet", greeting, sizeof(greeting))) >= 0) {
		answer(s, greeting);
		work(s);
	}
	if (w->host->ws_query(ws, "pause", greeting, sizeof(greeting)) >= 0)
		set_paused(s, true);
	*ops = &socket_ops;
	*cookie = s;
	return 0;
}

static int open_and_close(void *arg, struct nbs_ws *ws, const struct nbs_ws_ops **ops,
                          void **cookie)
{
	struct web *w = arg;
	int r = on_open(arg, ws, ops, cookie);

	if (r == 0) {
		w->host->ws_wake(ws);
		((struct socket *)*cookie)->closing = true;
		w->host->ws_close(ws, 4000, "as it was asked");
	}
	return r;
}

static int refuse(void *arg, struct nbs_ws *ws, const struct nbs_ws_ops **ops, void **cookie)
{
	struct web *w = arg;

	(void)ops;
	(void)cookie;
	w->host->ws_wake(ws);
	return -EACCES;
}

static int leave(void *arg, struct nbs_ws *ws, const struct nbs_ws_ops **ops, void **cookie)
{
	(void)arg;
	(void)ws;
	(void)ops;
	(void)cookie;
	return -ESHUTDOWN;
}

/* --- life cycle ------------------------------------------------------------------------------ */

#define BOTH (NBS_PUBLIC | NBS_ADMIN)

static const struct nbs_route routes[] = {
    {sizeof(*routes), "GET", "/web/hello", BOTH, 0, hello},
    {sizeof(*routes), "POST", "/web/echo", BOTH, BODY_MAX, echo},
    {sizeof(*routes), "PUT", "/web/echo", BOTH, BODY_MAX, echo},
    {sizeof(*routes), "GET", "/web/tree/", BOTH, 0, tree},
    {sizeof(*routes), "GET", "/web/tree/leaf", BOTH, 0, hello},
    {sizeof(*routes), "GET", "/web/big", BOTH, 0, big},
    {sizeof(*routes), "GET", "/web/header", BOTH, 0, header},
    {sizeof(*routes), "GET", "/web/query", BOTH, 0, query},
    {sizeof(*routes), "GET", "/web/admin", NBS_ADMIN, 0, hello},
    {sizeof(*routes), "GET", "/web/mute", BOTH, 0, mute},
    {sizeof(*routes), "GET", "/web/wake", BOTH, 0, wake},
};

static const struct nbs_ws_path paths[] = {
    {sizeof(*paths), "/web/ws", NULL, NBS_PUBLIC, on_open},
    {sizeof(*paths), "/web/sub", "web.v1", BOTH, on_open},
    {sizeof(*paths), "/web/admin-ws", NULL, NBS_ADMIN, on_open},
    {sizeof(*paths), "/web/refuse", NULL, NBS_PUBLIC, refuse},
    {sizeof(*paths), "/web/leave", NULL, NBS_PUBLIC, leave},
    {sizeof(*paths), "/web/close", NULL, NBS_PUBLIC, open_and_close},
};

static int register_metrics(struct web *w)
{
	struct nbs_metric_desc desc = {
	    .size = sizeof(desc), .kind = NBS_GAUGE, .name = "web_open", .help = "Open."};
	char label[32];
	int r;

	if ((r = w->host->metric_register(w->host, &desc, &w->open)) < 0)
		return r;
	desc.kind = NBS_COUNTER;
	desc.name = "web_violations_total";
	desc.help = "Faults of the daemon.";
	if ((r = w->host->metric_register(w->host, &desc, &w->violations)) < 0)
		return r;
	desc.name = "web_closed_total";
	desc.help = "Closed.";
	desc.labels = label;
	for (size_t i = 0; i < N_CODES; i++) {
		snprintf(label, sizeof(label), "code=\"%u\"", codes[i]);
		if ((r = w->host->metric_register(w->host, &desc, &w->closed[i])) < 0)
			return r;
	}
	return 0;
}

static int register_all(struct web *w)
{
	int r = register_metrics(w);

	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes) && r == 0; i++)
		r = w->host->route_register(w->host, &routes[i], w);
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths) && r == 0; i++)
		r = w->host->ws_register(w->host, &paths[i], w);
	return r;
}

static int web_init(struct nbs_host *host, void **self)
{
	struct web *w = calloc(1, sizeof(*w));
	const char *why = "";
	int r;

	if (w == NULL)
		return -ENOMEM;
	w->host = host;
	if ((r = host->conf_str(host, "object", &why)) < 0 ||
	    (r = host->conf_int(host, "linger", 0, 10000, &w->linger)) < 0 ||
	    (r = register_all(w)) < 0) {
		free(w);
		return r;
	}
	pthread_mutex_init(&w->lock, NULL);
	if (*why != '\0')
		host->ready_object(host, why);
	*self = w;
	return 0;
}

static int web_reload_prepare(void *self)
{
	struct web *w = self;
	const char *why = "";
	int r = w->host->conf_str(w->host, "object", &why);

	if (r == 0)
		w->host->ready_object(w->host, *why != '\0' ? why : NULL);
	return r;
}

static int web_stop(void *self, unsigned grace_ms)
{
	struct web *w = self;

	(void)grace_ms;
	usleep((useconds_t)w->linger * 1000);
	return 0;
}

static void web_destroy(void *self)
{
	struct web *w = self;

	if (w->first != NULL)
		violation(w, "a WebSocket that was not closed");
	pthread_mutex_destroy(&w->lock);
	free(w);
}

const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,
    .name = "web",
    .version = "1.0",
    .init = web_init,
    .reload_prepare = web_reload_prepare,
    .stop = web_stop,
    .destroy = web_destroy,
};
