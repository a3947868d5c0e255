/*
 * The loop of the HTTP thread: libuv's, given to libwebsockets, which would otherwise walk all
 * sockets for each event.  It watches the epoll descriptor of the io_thread that this thread also
 * is.
 */
#include "http_private.h"

#include "config.h"
#include "descriptors.h"
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define EVENT_LOOP_PACKAGE "libwebsockets-evlib-uv"

/* libwebsockets keeps two tables of as many entries as descriptors may be open, and walks one when
 * it closes a socket: not as many as a generous limit allows, but as many as there will be. */
#define DESCRIPTORS_BASE 4096

/* --- the loop -------------------------------------------------------------------------------- */

static void guest_turn(struct http *http)
{
	io_guest_turn(http->thread);
}

static void guest_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	guest_turn(poll->data);
}

static void guest_late(uv_timer_t *timer)
{
	guest_turn(timer->data);
}

static void before_wait(uv_prepare_t *prepare)
{
	struct http *http = prepare->data;
	int ms;

	http_conn_run_due(http);
	if ((ms = io_guest_wait_ms(http->thread)) >= 0)
		uv_timer_start(&http->guest_timer, guest_late, (uint64_t)ms, 0);
	else
		uv_timer_stop(&http->guest_timer);
}

static int open_loop(struct http *http)
{
	int r;

	if ((r = uv_loop_init(&http->loop)) < 0)
		return r;
	http->loop_open = true;
	uv_prepare_init(&http->loop, &http->before_wait);
	uv_timer_init(&http->loop, &http->guest_timer);
	http->before_wait.data = http->guest_timer.data = http->guest.data = http;
	if ((r = uv_poll_init(&http->loop, &http->guest, io_guest_fd(http->thread))) < 0)
		return r;
	http->guest_open = true;
	return 0;
}

static void close_loop(struct http *http)
{
	int r;

	if (!http->loop_open)
		return;
	uv_close((uv_handle_t *)&http->before_wait, NULL);
	uv_close((uv_handle_t *)&http->guest_timer, NULL);
	if (http->guest_open)
		uv_close((uv_handle_t *)&http->guest, NULL);
	uv_run(&http->loop, UV_RUN_DEFAULT);
	if ((r = uv_loop_close(&http->loop)) < 0)
		log_error("http", "cannot close the event loop: %s", uv_strerror(r));
}

/* --- libwebsockets --------------------------------------------------------------------------- */

static const struct lws_context_creation_info *creation(struct http *http)
{
	/* No pings of its own (http_pings.c). */
	static const lws_retry_bo_t no_policy;
	/* The second has the name of the subprotocol of the upgrade under way. */
	static struct lws_protocols protocols[3];
	static struct lws_context_creation_info info;
	static void *loops[1];

	for (int i = 0; i < 2; i++)
		protocols[i] = (struct lws_protocols){.name = i == 0 ? "(none)" : http->subprotocol,
		                                      .callback = http_callback,
		                                      .rx_buffer_size = HTTP_WS_READ,
		                                      .tx_packet_size = HTTP_FRAME_MAX};
	loops[0] = &http->loop;
	info = (struct lws_context_creation_info){
	    .port = CONTEXT_PORT_NO_LISTEN_SERVER,
	    .protocols = protocols,
	    .foreign_loops = loops,
	    .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_VALIDATE_UTF8,
	    .pcontext = &http->context,
	    .user = http,
	    .retry_and_idle_policy = &no_policy,
	    .pt_serv_buf_size = HTTP_READ_BUFFER,
	    .max_http_header_data = HTTP_HEADER_MAX,
	    /* Ours are in force instead (http_conn_deadline()). */
	    .timeout_secs = 3600,
	    .timeout_secs_ah_idle = 3600,
	    .keepalive_timeout = 3600,
	    .vhost_name = "http",
	};
	return &info;
}

static void complain(void)
{
	const char *why = http_log_first();

	if (strstr(why, "evlib") != NULL)
		log_error(
		    "http",
		    "libwebsockets has no libuv event loop: is the package %s installed? (%s)",
		    EVENT_LOOP_PACKAGE, why);
	else
		log_error("http", "cannot start libwebsockets: %s", why);
}

/* Its tables are as large as the soft limit of descriptors says. */
static int create_context(struct http *http, const struct config *cfg)
{
	const rlim_t need =
	    DESCRIPTORS_BASE + (rlim_t)cfg->max_connections * DESCRIPTORS_PER_CONNECTION_AT_MOST;
	struct rlimit before = {0}, lowered;

	if (getrlimit(RLIMIT_NOFILE, &before) < 0)
		return -errno;
	lowered = before;
	if (need < lowered.rlim_cur)
		lowered.rlim_cur = need;
	http->max_fd = lowered.rlim_cur < 0x7fffffff ? (int)lowered.rlim_cur : 0x7fffffff;
	setrlimit(RLIMIT_NOFILE, &lowered);
	http_log_open();
	http->context = lws_create_context(creation(http));
	setrlimit(RLIMIT_NOFILE, &before);
	if (http->context != NULL)
		http->vhost = lws_get_vhost_by_name(http->context, "http");
	if (http->vhost == NULL) {
		complain();
		return -ENODEV;
	}
	return 0;
}

static void destroy_context(struct http *http)
{
	if (http->context == NULL)
		return;
	lws_context_destroy(http->context);
	/* It goes on in the loop; what keeps that alive now is libwebsockets' alone. */
	uv_run(&http->loop, UV_RUN_DEFAULT);
	if (http->context != NULL)
		lws_context_destroy(http->context);
}

/* --- the life of it -------------------------------------------------------------------------- */

int http_open(struct http **out, struct io *io, struct routes *routes, struct metrics *metrics,
              const struct config *cfg)
{
	struct http *http = calloc(1, sizeof(*http));
	int r;

	if (http == NULL || (http->out = malloc(LWS_PRE + HTTP_FRAME_MAX)) == NULL) {
		free(http);
		return -ENOMEM;
	}
	http->thread = io_guest(io);
	http->routes = routes;
	http_pings_open(&http->pings, http->thread, (uint64_t)cfg->ping_interval,
	                (uint64_t)cfg->ping_timeout);
	if ((r = http_reply_metrics(http, metrics)) < 0 || (r = open_loop(http)) < 0 ||
	    (r = create_context(http, cfg)) < 0) {
		http_close(http);
		return r;
	}
	*out = http;
	return 0;
}

void http_close(struct http *http)
{
	if (http == NULL)
		return;
	http_stop(http);
	destroy_context(http);
	close_loop(http);
	free(http->out);
	free(http);
}

static void *thread_main(void *arg)
{
	struct http *http = arg;

	pthread_setname_np(pthread_self(), "http");
	uv_run(&http->loop, UV_RUN_DEFAULT); /* until stop_when_empty() */
	destroy_context(http);
	http_pings_close(&http->pings);
	io_guest_leave(http->thread);
	return NULL;
}

int http_start(struct http *http)
{
	sigset_t all, before;
	int r;

	uv_prepare_start(&http->before_wait, before_wait);
	uv_poll_start(&http->guest, UV_READABLE, guest_ready);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&http->pthread, NULL, thread_main, http);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0)
		log_error("http", "cannot start a thread: %s", strerror(-r));
	http->running = r == 0;
	return r;
}

/* The last connection has gone, or there was none. */
void http_stop_if_empty(struct http *http)
{
	if (!http->stopping || http->first != NULL)
		return;
	uv_prepare_stop(&http->before_wait);
	uv_timer_stop(&http->guest_timer);
	uv_poll_stop(&http->guest);
	uv_stop(&http->loop);
}

static void stop_all(struct io_task *task)
{
	struct http *http = IO_OF(task, struct http, stop_task);

	http->stopping = true;
	for (struct http_conn *c = http->first; c != NULL; c = c->next) {
		if (c->ws == NULL) {
			http_conn_kill(c);
			continue;
		}
		http_ws_close(c->ws, 1001, NULL);
		http_conn_deadline(c, HTTP_STOP_MS); /* also if it was closing already */
	}
	http_stop_if_empty(http);
}

void http_stop(struct http *http)
{
	if (!http->running)
		return;
	http->stop_task.run = stop_all;
	io_post(http->thread, &http->stop_task);
	pthread_join(http->pthread, NULL);
	http->running = false;
}
