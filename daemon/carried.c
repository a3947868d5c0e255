/* The channel of a carried connection. */
#include "carried.h"

#include "channel.h"
#include "conn.h"
#include "http.h"
#include "pump.h"
#include "service.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct carried {
	const struct nbs_carrier_ops *ops;
	void *cookie;
	struct nbs_conn *conn; /* NULL: ended while `task` was on its way, which frees this */
	struct io_task task;   /* flow(1) */
	bool flowing, wants_room, posted;
};

static void drop(struct carried *c)
{
	c->conn = NULL;
	if (!c->posted)
		free(c);
}

static int start(struct nbs_conn *conn)
{
	(void)conn; /* the carrier flows from the start */
	return 0;
}

static ssize_t send_some(struct nbs_conn *conn, const void *bytes, size_t len)
{
	struct carried *c = conn->channel_state;

	return (ssize_t)c->ops->write(c->cookie, bytes, len);
}

static void flow_again(struct io_task *task)
{
	struct carried *c = IO_OF(task, struct carried, task);

	c->posted = false;
	if (c->conn == NULL) {
		free(c);
	} else if (!c->flowing && stream_wants_bytes(c->conn)) {
		c->flowing = true;
		c->ops->flow(c->cookie, 1);
	}
}

/* A carrier that may go on delivers at once what it has held back; not from here, since the
 * consumer's conn_resume() may be the caller. */
static void want(struct nbs_conn *conn, bool bytes, bool room)
{
	struct carried *c = conn->channel_state;

	c->wants_room = room;
	if (c->flowing && !bytes) {
		c->flowing = false;
		c->ops->flow(c->cookie, 0);
	} else if (!c->flowing && bytes && !c->posted) {
		c->posted = true;
		io_post(conn->thread, &c->task);
	}
}

/* A carrier has no half of an end; all was given to it, and it is closed next. */
static int finish(struct nbs_conn *conn)
{
	(void)conn;
	return -ENOTCONN;
}

static void stop(struct nbs_conn *conn, bool abort)
{
	struct carried *c = conn->channel_state;

	if (c == NULL)
		return; /* the carrier ended first */
	conn->channel_state = NULL;
	c->ops->closed(c->cookie, abort ? NBS_CLOSE_ABORT : NBS_CLOSE_FLUSH);
	drop(c);
}

static const struct channel carried_channel = {
    .start = start,
    .send = send_some,
    .want = want,
    .finish = finish,
    .stop = stop,
};

int carried_begin(struct nbs_ws *ws, const char *protocol, const struct nbs_carrier_ops *ops,
                  void *cookie, struct nbs_conn **inner)
{
	struct nbs_conn *outer = http_ws_conn(ws), *conn;
	struct service *service = strcmp(protocol, "h2") == 0 ? outer->origin->http2 : NULL;
	struct carried *c;

	if (service == NULL)
		return -ENOENT;
	if ((c = malloc(sizeof(*c))) == NULL)
		return -ENOMEM;
	*c =
	    (struct carried){.ops = ops, .cookie = cookie, .task.run = flow_again, .flowing = true};
	if ((conn = conn_inside(outer)) == NULL) {
		free(c);
		return -ENOMEM;
	}
	c->conn = conn;
	conn->channel_state = c;
	*inner = conn;
	if (service_adopts(service))
		pump_begin(conn, &carried_channel, service);
	else
		stream_begin(conn, &carried_channel, service);
	return 0;
}

void carried_bytes(struct nbs_conn *conn, const void *bytes, size_t len)
{
	stream_bytes(conn, bytes, len);
}

void carried_writable(struct nbs_conn *conn)
{
	struct carried *c = conn->channel_state;

	if (c->wants_room)
		stream_room(conn);
}

void carried_end(struct nbs_conn *conn, int err)
{
	if (conn->channel_state != NULL)
		drop(conn->channel_state);
	conn->channel_state = NULL;
	stream_broke(conn, err < 0 ? err : -ECONNRESET);
}
