/* The open() form of a connection service: a connection as a byte stream (nbs_conn_ops). */
#ifndef STREAM_H
#define STREAM_H

#include <netbird-signal/plugin.h>

struct service;

/* What a stream queues for a client that reads slower than its consumer writes, in bytes. */
#define STREAM_QUEUE_MAX (256 * 1024)
/* How long a closed stream may take to send what is queued, and to see the other side's end. */
#define STREAM_LINGER_MS 5000

/* [conn] The connection is watched by nobody any more; it is refused if the service does not
 * take it. */
void stream_begin(struct nbs_conn *conn, struct service *service);
/* [conn] closed(err) comes from the thread's tasks, then the record is given back. */
void stream_abort(struct nbs_conn *conn, int err);

/* The functions of nbs_host. */
size_t stream_write(struct nbs_conn *conn, const void *bytes, size_t len);
void stream_pause(struct nbs_conn *conn);
void stream_resume(struct nbs_conn *conn);
void stream_close(struct nbs_conn *conn, int how);
void stream_wake(struct nbs_conn *conn);

#endif
