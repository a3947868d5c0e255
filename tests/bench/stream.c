/* stream.c - a ConnectStream without registry, mailbox or bounds; see stream.h. */
#include "stream.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

struct waiting {
	struct waiting *next;
	grpc_byte_buffer *wire;
};

struct stream {
	struct idmap *streams;
	grpc_call *call;
	atomic_int refs; /* the map's, one for each batch in flight, those of stream_forward() */
	struct tag headed, read, written, closed;
	grpc_metadata header;
	grpc_byte_buffer *received;
	int cancelled;
	pthread_mutex_t lock; /* of what follows; nobody calls out with it held */
	struct waiting *first, **last;
	grpc_byte_buffer *sending;
	bool busy; /* the header or a message is in flight */
	bool ended;
	size_t id_len;
	char id[];
};

#define OWNER(tag, member) ((struct stream *)((char *)(tag)-offsetof(struct stream, member)))

void stream_hold(void *stream)
{
	struct stream *s = stream;

	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

static void release(struct stream *s)
{
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	grpc_call_unref(s->call);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Starts a batch of one operation, which holds the stream until its tag is done. */
static void start(struct stream *s, const grpc_op *op, struct tag *tag)
{
	grpc_call_error err;

	stream_hold(s);
	err = grpc_call_start_batch(s->call, op, 1, tag, NULL);
	GPR_ASSERT(err == GRPC_CALL_OK);
}

/* --- to the client -------------------------------------------------------------------------- */

static void send_now(struct stream *s, grpc_byte_buffer *wire)
{
	grpc_op op = {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = wire};

	start(s, &op, &s->written);
}

/* The next message, or NULL and the call has nothing in flight. */
static grpc_byte_buffer *take(struct stream *s)
{
	grpc_byte_buffer *wire = NULL;
	struct waiting *w;

	pthread_mutex_lock(&s->lock);
	s->busy = s->first != NULL;
	if ((w = s->first) != NULL) {
		if ((s->first = w->next) == NULL)
			s->last = &s->first;
		wire = w->wire;
	}
	s->sending = wire;
	pthread_mutex_unlock(&s->lock);
	free(w);
	return wire;
}

static void go_on(struct stream *s, int ok)
{
	grpc_byte_buffer *wire;

	while ((wire = take(s)) != NULL && !ok)
		grpc_byte_buffer_destroy(wire); /* the call has ended */
	if (wire != NULL)
		send_now(s, wire);
}

static void on_written(struct tag *t, int ok)
{
	struct stream *s = OWNER(t, written);

	grpc_byte_buffer_destroy(s->sending);
	go_on(s, ok);
	release(s);
}

static void on_headed(struct tag *t, int ok)
{
	struct stream *s = OWNER(t, headed);

	go_on(s, ok);
	release(s);
}

static void give(struct stream *s, grpc_byte_buffer *wire)
{
	struct waiting *w = NULL;
	bool now;

	pthread_mutex_lock(&s->lock);
	now = !s->busy && !s->ended;
	if (now) {
		s->busy = true;
		s->sending = wire;
	} else if (!s->ended) {
		if ((w = malloc(sizeof(*w))) == NULL)
			abort();
		w->next = NULL;
		w->wire = wire;
		*s->last = w;
		s->last = &w->next;
	}
	pthread_mutex_unlock(&s->lock);
	if (now)
		send_now(s, wire);
	else if (w == NULL)
		grpc_byte_buffer_destroy(wire);
}

static grpc_slice gather(grpc_byte_buffer *wire)
{
	grpc_byte_buffer_reader reader;
	grpc_slice whole;

	if (!grpc_byte_buffer_reader_init(&reader, wire))
		return grpc_empty_slice();
	whole = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	return whole;
}

static struct stream *find_receiver(struct idmap *streams, grpc_byte_buffer *wire)
{
	grpc_byte_buffer_reader reader;
	struct frame_stamp stamp;
	struct frame_view view;
	struct stream *to = NULL;
	grpc_slice *piece, whole;

	if (!grpc_byte_buffer_reader_init(&reader, wire))
		return NULL;
	if (!grpc_byte_buffer_reader_peek(&reader, &piece))
		whole = grpc_empty_slice();
	else if (GRPC_SLICE_LENGTH(*piece) == grpc_byte_buffer_length(wire))
		whole = grpc_slice_ref(*piece);
	else
		whole = gather(wire);
	if (frame_parse(&view, &stamp, GRPC_SLICE_START_PTR(whole), GRPC_SLICE_LENGTH(whole)) == 0)
		to = idmap_get(streams, view.to, view.to_len);
	grpc_slice_unref(whole);
	grpc_byte_buffer_reader_destroy(&reader);
	return to;
}

void stream_forward(struct idmap *streams, grpc_byte_buffer *wire)
{
	struct stream *to = find_receiver(streams, wire);

	if (to == NULL) {
		grpc_byte_buffer_destroy(wire);
		return;
	}
	give(to, wire);
	release(to);
}

/* --- from the client ------------------------------------------------------------------------ */

static void read_next(struct stream *s)
{
	grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &s->received};

	start(s, &op, &s->read);
}

static void on_read(struct tag *t, int ok)
{
	struct stream *s = OWNER(t, read);

	if (ok && s->received != NULL) { /* NULL: half-closed, and it goes on listening */
		stream_forward(s->streams, s->received);
		read_next(s);
	}
	release(s);
}

static void on_closed(struct tag *t, int ok)
{
	struct stream *s = OWNER(t, closed);

	(void)ok;
	pthread_mutex_lock(&s->lock);
	s->ended = true;
	pthread_mutex_unlock(&s->lock);
	if (idmap_remove(s->streams, s->id, s->id_len, s))
		release(s);
	release(s);
}

/* --- beginning ------------------------------------------------------------------------------ */

static const grpc_slice *find_id(const grpc_metadata_array *metadata)
{
	for (size_t i = 0; i < metadata->count; i++)
		if (grpc_slice_str_cmp(metadata->metadata[i].key, "x-wiretrustee-peer-id") == 0)
			return &metadata->metadata[i].value;
	return NULL;
}

static struct stream *stream_new(struct idmap *streams, grpc_call *call, const grpc_slice *id)
{
	struct stream *s = calloc(1, sizeof(*s) + GRPC_SLICE_LENGTH(*id));

	if (s == NULL)
		abort();
	s->streams = streams;
	s->call = call;
	s->refs = 1;
	s->busy = true;
	s->headed.done = on_headed;
	s->read.done = on_read;
	s->written.done = on_written;
	s->closed.done = on_closed;
	s->header.key = grpc_slice_from_static_string("x-wiretrustee-peer-registered");
	s->header.value = grpc_slice_from_static_string("1");
	pthread_mutex_init(&s->lock, NULL);
	s->last = &s->first;
	s->id_len = GRPC_SLICE_LENGTH(*id);
	memcpy(s->id, GRPC_SLICE_START_PTR(*id), s->id_len);
	return s;
}

void stream_begin(struct idmap *streams, grpc_call *call, const grpc_metadata_array *metadata)
{
	const grpc_slice *id = find_id(metadata);
	struct stream *s, *old;
	grpc_op op = {0};

	if (id == NULL) {
		grpc_call_cancel(call, NULL);
		grpc_call_unref(call);
		return;
	}
	s = stream_new(streams, call, id);
	stream_hold(s); /* the map's; the one of stream_new() is ours */
	if ((old = idmap_put(streams, s->id, s->id_len, s)) != NULL) {
		grpc_call_cancel(old->call, NULL);
		release(old);
	}
	op.op = GRPC_OP_RECV_CLOSE_ON_SERVER;
	op.data.recv_close_on_server.cancelled = &s->cancelled;
	start(s, &op, &s->closed);
	memset(&op, 0, sizeof(op));
	op.op = GRPC_OP_SEND_INITIAL_METADATA;
	op.data.send_initial_metadata.count = 1;
	op.data.send_initial_metadata.metadata = &s->header;
	start(s, &op, &s->headed);
	read_next(s);
	release(s);
}
