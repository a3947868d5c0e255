/*
 * ConnectStream: a peer, from its registration to its end.
 *
 * Receiving belongs to the thread of the call's queue.  Sending belongs to whoever set BUSY: the
 * thread of the queue, or one of the daemon's that delivers a callback, or nobody's thread while
 * a batch is in flight.  Who sets DONE decides how the call ends, and nobody sends after that.
 */
#include "stream.h"

#include "call.h"
#include "links.h"
#include "message.h"
#include "transport.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#define ID_HEADER "x-wiretrustee-peer-id"
#define REGISTERED_HEADER "x-wiretrustee-peer-registered"
#define ID_BRIEF 8 /* of a peer's id in a log line */

enum {
	BUSY = 1u << 0,     /* the sending side is somebody's */
	MORE = 1u << 1,     /* the mailbox may hold something */
	STOPPING = 1u << 2, /* end when the mailbox is empty */
	DONE = 1u << 3,     /* the end is decided */
	HEADER = 1u << 4,   /* initial metadata was sent */
};

struct stream {
	struct call call;
	struct nbs_peer *lease;
	struct tag closed, received, sent;
	grpc_byte_buffer *incoming;
	atomic_uint flags;
	atomic_int refs; /* one by the lease, one by each batch in flight */
	int cancelled;
	grpc_status_code code; /* of who set DONE */
};

static void unref(struct stream *s)
{
	struct metrics *metrics = &s->call.t->metrics;

	if (atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	metrics_add(metrics, metrics->streams, -1);
	call_finish(&s->call, s->code); /* s is gone with it */
}

static void log_end(const struct stream *s)
{
	struct nbs_host *host = s->call.t->host;

	if (host->log_enabled(host, NBS_DEBUG))
		host->log(host, NBS_DEBUG, "stream ends: remote=%s status=%d",
		          links_remote(s->call.link), (int)s->code);
}

/* Starts one operation; `tag` is not in flight. */
static void start(struct stream *s, const grpc_op *op, struct tag *tag)
{
	atomic_fetch_add(&s->refs, 1);
	if (call_start(&s->call, op, 1, tag) < 0)
		atomic_fetch_sub(&s->refs, 1); /* never the last: the lease holds one */
}

/* --- the end --- */

static void verdict_sent(struct tag *tag, bool ok)
{
	(void)ok;
	unref(TAG_OWNER(tag, struct stream, sent));
}

/* Ends the call by a status.  DONE and the sending side are the caller's; `was` are the flags. */
static void send_verdict(struct stream *s, struct verdict verdict, unsigned was)
{
	s->code = verdict.code;
	s->sent.done = verdict_sent;
	atomic_fetch_add(&s->refs, 1);
	if (call_end(&s->call, verdict, !(was & HEADER), &s->sent) < 0)
		atomic_fetch_sub(&s->refs, 1);
}

/* Ends the call: by force if something is being sent, because a client that does not read would
 * hold that, and the call, for ever.  [any] */
static void end(struct stream *s, struct verdict verdict)
{
	unsigned was = atomic_fetch_or(&s->flags, DONE | BUSY);

	if (was & DONE)
		return;
	s->code = verdict.code;
	if (was & BUSY)
		call_cut(&s->call, verdict);
	else
		send_verdict(s, verdict, was);
}

/* The call has ended on both sides, or its connection broke. */
static void closed(struct tag *tag, bool ok)
{
	struct stream *s = TAG_OWNER(tag, struct stream, closed);

	(void)ok;
	atomic_fetch_or(&s->flags, DONE);
	s->call.t->host->peer_deregister(s->lease);
	log_end(s);
	unref(s); /* the batch, */
	unref(s); /* and the lease */
}

/* --- sending --- */

static void send_next(struct stream *s);

static void message_sent(struct tag *tag, bool ok)
{
	struct stream *s = TAG_OWNER(tag, struct stream, sent);

	if (ok)
		send_next(s);
	unref(s);
}

static void send_message(struct stream *s, struct nbs_msg *msg)
{
	grpc_byte_buffer *bytes = message_wrap(msg);
	grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};

	s->sent.done = message_sent;
	op.data.send_message.send_message = bytes;
	start(s, &op, &s->sent);
	grpc_byte_buffer_destroy(bytes);
}

/* Takes one message and sends it; one at a time, so that a receiver that does not read leaves
 * the others in the mailbox.  The sending side is the caller's, and is given back or passed on
 * to the batch. */
static void send_next(struct stream *s)
{
	unsigned flags = atomic_load(&s->flags);
	struct nbs_msg *msg;

	for (;;) {
		if (flags & DONE)
			return;
		if (flags & MORE) {
			/* Before the take: a wake that comes after it must not be lost. */
			atomic_fetch_and(&s->flags, ~(unsigned)MORE);
			msg = s->call.t->host->peer_take(s->lease);
			if (msg != NULL) {
				atomic_fetch_or(&s->flags, MORE);
				send_message(s, msg);
				return;
			}
			flags = atomic_load(&s->flags);
		} else if (flags & STOPPING) {
			flags = atomic_fetch_or(&s->flags, DONE);
			if (!(flags & DONE))
				send_verdict(s, verdict_stopping, flags);
			return;
		} else if (atomic_compare_exchange_weak(&s->flags, &flags,
		                                        flags & ~(unsigned)BUSY)) {
			return;
		}
	}
}

/* Sets a flag for whoever has the sending side, and takes it if nobody has. */
static void raise_flag(struct stream *s, unsigned flag)
{
	if (!(atomic_fetch_or(&s->flags, flag | BUSY) & BUSY))
		send_next(s);
}

/* --- receiving --- */

static void received(struct tag *tag, bool ok);

static void receive(struct stream *s)
{
	grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

	s->incoming = NULL;
	s->received.done = received;
	op.data.recv_message.recv_message = &s->incoming;
	start(s, &op, &s->received);
}

static void received(struct tag *tag, bool ok)
{
	struct stream *s = TAG_OWNER(tag, struct stream, received);
	struct verdict verdict;
	int r = 0;

	/* C core has ended the call for it; this is for the count. */
	if (!ok)
		end(s, verdict_too_large);
	/* No message: the client has closed its side, or the call is over.  It stays a receiver. */
	if (!ok || s->incoming == NULL)
		goto out;
	if (!(atomic_load(&s->flags) & DONE))
		r = message_forward(s->call.t, s->incoming);
	grpc_byte_buffer_destroy(s->incoming);
	verdict = verdict_forward(r);
	if (verdict.code != GRPC_STATUS_OK)
		end(s, verdict);
	if (!(atomic_load(&s->flags) & DONE))
		receive(s);
out:
	unref(s);
}

/* --- registration --- */

static void header_sent(struct tag *tag, bool ok)
{
	struct stream *s = TAG_OWNER(tag, struct stream, sent);
	struct nbs_host *host = s->call.t->host;

	if (ok) {
		receive(s);
		send_next(s);
	} else if (!(atomic_load(&s->flags) & DONE)) {
		host->peer_refused(host, NBS_REFUSED_FAILED_HEADER);
	}
	unref(s);
}

static void send_header(struct stream *s)
{
	grpc_metadata header = {
	    .key = grpc_slice_from_static_string(REGISTERED_HEADER),
	    .value = grpc_slice_from_static_string("1"),
	};
	grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};

	s->sent.done = header_sent;
	op.data.send_initial_metadata.count = 1;
	op.data.send_initial_metadata.metadata = &header;
	start(s, &op, &s->sent);
}

static void registered(void *cookie, int verdict, const char *why)
{
	struct stream *s = cookie;

	if (verdict < 0) {
		end(s, verdict_refusal(verdict, why));
		return;
	}
	if (atomic_fetch_or(&s->flags, BUSY | HEADER) & DONE)
		return;
	send_header(s);
}

static void wake(void *cookie)
{
	raise_flag(cookie, MORE);
}

static void hangup(void *cookie, enum nbs_reason why)
{
	switch (why) {
	case NBS_REPLACED:
		end(cookie, verdict_replaced);
		break;
	case NBS_STALLED:
		end(cookie, verdict_stalled);
		break;
	case NBS_STOPPING:
		raise_flag(cookie, STOPPING);
		break;
	}
}

static const struct nbs_peer_ops ops = {
    .size = sizeof(ops),
    .registered = registered,
    .wake = wake,
    .hangup = hangup,
};

static void watch_close(struct stream *s)
{
	grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

	s->closed.done = closed;
	op.data.recv_close_on_server.cancelled = &s->cancelled;
	start(s, &op, &s->closed);
}

/* The first value of the header counts; NULL without one, or if it is empty. */
static const grpc_slice *find_id(const grpc_metadata_array *metadata)
{
	for (size_t i = 0; i < metadata->count; i++) {
		const grpc_metadata *md = &metadata->metadata[i];

		if (grpc_slice_str_cmp(md->key, ID_HEADER) == 0)
			return GRPC_SLICE_LENGTH(md->value) > 0 ? &md->value : NULL;
	}
	return NULL;
}

static void log_begin(const struct call *call, const grpc_slice *id)
{
	struct nbs_host *host = call->t->host;
	size_t len = GRPC_SLICE_LENGTH(*id);

	if (host->log_enabled(host, NBS_DEBUG))
		host->log(host, NBS_DEBUG, "stream begins: id=%.*s.. remote=%s",
		          (int)(len < ID_BRIEF ? len : ID_BRIEF),
		          (const char *)GRPC_SLICE_START_PTR(*id), links_remote(call->link));
}

static struct stream *stream_new(const struct call *call)
{
	struct stream *s = grpc_call_arena_alloc(call->core, sizeof(*s));

	memset(s, 0, sizeof(*s));
	s->call = *call;
	s->code = GRPC_STATUS_CANCELLED;
	atomic_init(&s->flags, 0);
	atomic_init(&s->refs, 1);
	return s;
}

void stream_begin(const struct call *call, const grpc_metadata_array *metadata)
{
	struct metrics *metrics = &call->t->metrics;
	struct nbs_host *host = call->t->host;
	const grpc_slice *id = find_id(metadata);
	struct stream *s;
	int e;

	if (id == NULL) {
		host->peer_refused(host, metadata->count > 0 ? NBS_REFUSED_MISSING_ID
		                                             : NBS_REFUSED_MISSING_META);
		call_answer(call, verdict_no_id, NULL);
		return;
	}
	log_begin(call, id);
	s = stream_new(call);
	e = host->peer_register(host, (const char *)GRPC_SLICE_START_PTR(*id),
	                        GRPC_SLICE_LENGTH(*id), &ops, s, &s->lease);
	if (e < 0) {
		call_answer(call, verdict_refusal(e, ""), NULL);
		return;
	}
	metrics_add(metrics, metrics->streams, 1);
	watch_close(s);
}
