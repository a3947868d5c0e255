/*
 * The daemon's HTTP/1.1 and WebSocket server: libwebsockets on a libuv loop of ours, on one
 * thread of its own.  That thread is an io_thread as well (io.h): the loop watches its epoll
 * descriptor, so that connections, tasks and timers work there as on any other.
 */
#ifndef HTTP_H
#define HTTP_H

#include <netbird-signal/plugin.h>

struct config;
struct http;
struct io;
struct metrics;
struct routes;

/* [main] Makes the loop and the libwebsockets context; no thread yet.  A negative errno after a
 * line, which names the Debian package if libwebsockets lacks its libuv event loop. */
int http_open(struct http **out, struct io *io, struct routes *routes, struct metrics *metrics,
              const struct config *cfg);
/* [main] Starts the thread. */
int http_start(struct http *http);
/* [main] Ends every connection (WebSockets with 1001) and the thread.  Plugins have been stopped
 * but may still get closed().  Does nothing the second time. */
void http_stop(struct http *http);
void http_close(struct http *http);

/*
 * [the HTTP thread] Serves a connection whose first bytes are an HTTP/1.1 request, unread.  Its
 * record belongs to this thread already; source.fd is a connected socket that is watched by
 * nobody and becomes libwebsockets'.  When that has closed it, source.fd is set to -1 and
 * conn_release() is called.
 */
void http_begin(struct http *http, struct nbs_conn *conn);

/* [the HTTP thread] The record of the connection that carries a WebSocket. */
struct nbs_conn *http_ws_conn(struct nbs_ws *ws);

/* Functions of nbs_host, with its contract. */
void http_request_about(struct nbs_request *request, struct nbs_request_about *about);
void http_request_conn(struct nbs_request *request, struct nbs_conn_about *about);
int http_request_header(struct nbs_request *request, const char *name, char *value, size_t size);
int http_request_query(struct nbs_request *request, const char *name, char *value, size_t size);
int http_request_reply(struct nbs_request *request, unsigned status, const char *content_type,
                       const char *headers, const void *body, size_t len);
int http_ws_header(struct nbs_ws *ws, const char *name, char *value, size_t size);
int http_ws_query(struct nbs_ws *ws, const char *name, char *value, size_t size);
void http_ws_about(struct nbs_ws *ws, struct nbs_conn_about *about);
size_t http_ws_write(struct nbs_ws *ws, const void *bytes, size_t len, unsigned flags);
void http_ws_pause(struct nbs_ws *ws);
void http_ws_resume(struct nbs_ws *ws);
void http_ws_close(struct nbs_ws *ws, unsigned code, const char *reason);
void http_ws_wake(struct nbs_ws *ws);

#endif
