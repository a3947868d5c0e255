/* The open() form of a connection service: a connection as a byte stream (nbs_conn_ops). */
#ifndef STREAM_H
#define STREAM_H

#include <netbird-signal/plugin.h>

#include <stdbool.h>

struct channel;
struct service;

/* What a stream queues for a client that reads slower than its consumer writes, in bytes. */
#define STREAM_QUEUE_MAX (256 * 1024)
/* How long a closed stream may take to send what is queued, and to see the other side's end. */
#define STREAM_LINGER_MS 5000

/* [conn] The connection is watched by nobody any more; it is refused if the service does not
 * take it. */
void stream_begin(struct nbs_conn *conn, const struct channel *channel, struct service *service);
/* [conn] The same for a consumer of the daemon's own.  A negative errno: stream_abort() is owed. */
int stream_start(struct nbs_conn *conn, const struct channel *channel,
                 const struct nbs_conn_ops *ops, void *cookie);
/* [conn] How much stream_write() takes in any case. */
size_t stream_space(const struct nbs_conn *conn);
/* [conn] Whether less than half of the queue is free; then writable() will come when it is. */
bool stream_await_space(struct nbs_conn *conn);
/* [conn] Nobody takes it: counted, told to the log at debug, and no callback comes. */
void stream_refuse(struct nbs_conn *conn, const char *who, int err);
/* [conn] closed(err) comes from the thread's tasks, then the record is given back. */
void stream_abort(struct nbs_conn *conn, int err);

/* The functions of nbs_host. */
size_t stream_write(struct nbs_conn *conn, const void *bytes, size_t len);
void stream_pause(struct nbs_conn *conn);
void stream_resume(struct nbs_conn *conn);
void stream_close(struct nbs_conn *conn, int how);
void stream_wake(struct nbs_conn *conn);

#endif
