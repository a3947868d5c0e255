/*
 * Between the files of the HTTP server.  Everything is [the HTTP thread] but where it says so.
 *
 *   http.c           the loop, the libwebsockets context, the thread, and their end
 *   http_conn.c      one connection: from http_begin() until libwebsockets has closed its socket
 *   http_callback.c  what libwebsockets calls, and to whom it goes
 *   http_request.c   one request: what is refused, its body, its route
 *   http_reply.c     answers
 *   http_send.c      their bytes
 *   http_header.c    headers and query parameters
 *   http_upgrade.c   whether a request becomes a WebSocket
 *   http_ws.c        WebSockets
 *   http_frame.c     what libwebsockets does not look at in a client's frames
 *   http_pings.c     pings, and those that do not answer
 *   http_log.c       what libwebsockets says
 */
#ifndef HTTP_PRIVATE_H
#define HTTP_PRIVATE_H

#include "http.h"
#include "io.h"

#include <libwebsockets.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

struct metrics;
struct nbs_metric;
struct route;
struct ws_path;

#define HTTP_HEADER_MAX 8192   /* of one request, all names and values */
#define HTTP_READ_BUFFER 16384 /* libwebsockets', one for all connections */
#define HTTP_WS_READ 2048      /* bytes of one read of a WebSocket; costs as much each */
#define HTTP_FRAME_MAX 65536   /* bytes of one frame that is sent, and so of what waits */
#define HTTP_IDLE_MS 30000     /* until the next request is complete */
#define HTTP_STALL_MS 10000    /* how long an answer may make no progress */
#define HTTP_LINGER_MS 2000    /* how long a refused body is thrown away */
#define HTTP_CLOSE_MS 5000     /* until all is sent and the other side's close is there */
#define HTTP_STOP_MS 1000      /* the same when the daemon stops */
#define HTTP_SUBPROTOCOL_MAX 128

enum http_phase {
	HTTP_WAITING,  /* for a whole header */
	HTTP_BODY,     /* ... and the body of the request */
	HTTP_REFUSING, /* the answer has gone; what still comes is thrown away */
	HTTP_WEBSOCKET,
	HTTP_CLOSING /* libwebsockets was told to close it */
};

struct http_conn {
	struct http *http;
	struct http_conn *prev, *next;
	struct http_conn *next_due;
	bool due;    /* in http->due */
	bool served; /* at least one request was answered, or upgraded */
	unsigned char phase;
	struct nbs_conn *conn;
	struct lws *wsi;             /* NULL before libwebsockets has it */
	struct nbs_request *request; /* HTTP_BODY */
	struct unsent *unsent;       /* of an answer; NULL without */
	const struct ws_path *path;  /* being upgraded */
	struct nbs_ws *ws;
};

/* Sorted by when they are due, because all of one list wait equally long. */
struct ping_list {
	struct nbs_ws *first, *last;
};

struct pings {
	struct io_thread *thread;
	struct io_timer timer;
	uint64_t interval_ms, timeout_ms;
	struct ping_list idle, waiting; /* for the next ping; for its answer */
};

struct nbs_ws {
	struct http_conn *c;
	struct io_thread *thread;     /* for ws_wake(), which may come from any thread */
	const struct nbs_ws_ops *ops; /* NULL: open() did not take it */
	void *cookie;
	char *reason;              /* of ws_close(), or NULL */
	unsigned short close_code; /* of ws_close() */
	unsigned short peer_code;  /* of the client's close frame; 1006 before */
	bool paused;
	bool choked, owed; /* libwebsockets keeps the rest of a frame; writable() is due then */
	bool closing;      /* ws_close() was called, or open() refused */
	bool no_frame;     /* ... and no close frame is wanted */
	bool broken, told; /* the socket failed; closed() was called */
	bool mid_frame, any_payload, doubtful; /* http_frame.c */
	bool gone;                   /* freed by the wake-up that is on its way */
	struct io_task wake_task;
	atomic_bool waking; /* apart from the other flags, see conn.h */
	struct nbs_ws *ping_prev, *ping_next;
	struct ping_list *ping_list; /* NULL: in none */
	uint64_t ping_due_ms;
};

#define HTTP_CODES 20

struct http {
	struct io_thread *thread;
	struct routes *routes;
	uv_loop_t loop;
	uv_poll_t guest;        /* io_guest_fd() */
	uv_timer_t guest_timer; /* io_guest_wait_ms() */
	uv_prepare_t before_wait;
	bool loop_open, guest_open;
	struct lws_context *context; /* libwebsockets sets it to NULL when it is gone */
	struct lws_vhost *vhost;
	int max_fd;                             /* libwebsockets' tables end here */
	const unsigned char *read_buffer;       /* libwebsockets'; NULL until the first upgrade */
	char subprotocol[HTTP_SUBPROTOCOL_MAX]; /* the one that it finds in the upgrade under way */
	unsigned char *out;                     /* LWS_PRE bytes and a frame */
	struct http_conn *first, *due;
	struct http_conn *adopting; /* the one that libwebsockets is being given */
	struct pings pings;
	pthread_t pthread;
	bool running, stopping;
	struct io_task stop_task;
	struct nbs_metric *requests[HTTP_CODES], *websockets, *faults;
};

/* http.c: ends the loop when the daemon stops and no connection is left. */
void http_stop_if_empty(struct http *http);

/* http_conn.c */
/* Calls http_ws_due() for it before the loop waits again, outside of libwebsockets. */
void http_conn_soon(struct http_conn *c);
void http_conn_run_due(struct http *http);
/* It must be done with what it does until then, or it is closed. */
void http_conn_deadline(struct http_conn *c, uint64_t ms);
void http_conn_no_deadline(struct http_conn *c);
/* Closes it without another word, soon. */
void http_conn_kill(struct http_conn *c);
/* libwebsockets has closed the socket. */
void http_conn_gone(struct http_conn *c);
unsigned http_conn_class(const struct http_conn *c);

/* http_callback.c */
int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len);

/* http_request.c.  What they return goes to libwebsockets: 0, or -1 to close. */
int http_request_begin(struct http_conn *c);
int http_request_body(struct http_conn *c, const void *bytes, size_t len);
int http_request_complete(struct http_conn *c);
/* Answers a request that asked for an upgrade as if it had not, and closes: libwebsockets keeps no
 * connection after that. */
int http_request_serve(struct http_conn *c);
void http_request_free(struct nbs_request *request);

/* http_reply.c */
struct reply {
	unsigned status;
	const char *content_type; /* or NULL */
	const char *headers;      /* or NULL */
	const void *body;
	size_t len;
	bool head;  /* the body is only measured */
	bool close; /* this is the last answer of the connection */
};
/* A negative errno: it was not sent, and the connection has to be closed. */
int http_reply(struct http_conn *c, const struct reply *reply);
/* Its text is its name.  `headers` or NULL. */
int http_reply_error(struct http_conn *c, unsigned status, const char *headers, bool head,
                     bool close);
int http_reply_continue(struct http_conn *c);
int http_reply_metrics(struct http *http, struct metrics *metrics);
/* 0: a connection that ended without a whole request. */
void http_reply_count(struct http *http, unsigned status);

/* http_send.c */
/* Sends, or keeps what the socket does not take.  -ENOMEM, -ECONNRESET, ... */
int http_send(struct http_conn *c, const void *bytes, size_t len);
bool http_send_is_done(const struct http_conn *c);
/* What was kept goes out; then the request is over, or the connection.  0 or -1 for libwebsockets,
 * which reads no more in the meantime. */
int http_send_rest(struct http_conn *c, bool close);
/* The same for an answer after which libwebsockets closes in any case: it sends the rest.  -1. */
int http_send_last(struct http_conn *c);
void http_send_forget(struct http_conn *c);

/* http_header.c */
int http_header_copy(struct http_conn *c, const char *name, char *value, size_t size);
int http_header_query(struct http_conn *c, const char *name, char *value, size_t size);
/* Whether a list such as Connection has this word. */
bool http_header_has(struct http_conn *c, enum lws_token_indexes header, const char *word);
/* The next word of a list, from *rest; its length, 0 at the end. */
size_t http_header_word(const char **rest, const char **word);
/* NULL: none that is known.  *path is lent as long as the header. */
const char *http_header_method(struct http_conn *c, const char **path);
bool http_header_is_1_1(struct http_conn *c);
bool http_header_is_1_0(struct http_conn *c);

/* http_upgrade.c: 0 upgrades, -1 closes: it was answered otherwise. */
int http_upgrade_ask(struct http_conn *c);

/* http_ws.c */
int http_ws_opened(struct http_conn *c);
int http_ws_received(struct nbs_ws *ws, const void *bytes, size_t len);
void http_ws_room(struct nbs_ws *ws);
int http_ws_peer_closes(struct nbs_ws *ws, const unsigned char *payload, size_t len);
void http_ws_ended(struct nbs_ws *ws);
void http_ws_due(struct nbs_ws *ws);
void http_ws_free(struct nbs_ws *ws);

/* http_frame.c */
void http_frame_learn(struct http *http, const struct lws_process_html_args *headers);
/* What is wrong with the frame that this piece of payload belongs to, or NULL. */
const char *http_frame_fault(struct nbs_ws *ws, const void *bytes, size_t len);

/* http_pings.c */
void http_pings_open(struct pings *p, struct io_thread *thread, uint64_t interval_ms,
                     uint64_t timeout_ms);
void http_pings_close(struct pings *p);
void http_pings_add(struct pings *p, struct nbs_ws *ws);
void http_pings_heard(struct pings *p, struct nbs_ws *ws);
void http_pings_remove(struct pings *p, struct nbs_ws *ws);

/* http_log.c, [main] until the thread runs. */
void http_log_open(void);
/* The first complaint since then, "" without. */
const char *http_log_first(void);

#endif
