/*
 * What all calls have in common: tags by which completions find their handler, reading one
 * message, and the batches that end a call.  Everything is on the thread of the call's queue,
 * unless it says otherwise.
 */
#ifndef CALL_H
#define CALL_H

#include "core.h"
#include "metrics.h"
#include "verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link;
struct transport;

/* Embedded in whatever waits for a completion.  `done` runs on the thread of the call's queue;
 * ok is false if what was asked for did not happen. */
struct tag {
	void (*done)(struct tag *tag, bool ok);
};
#define TAG_OWNER(tag, type, member) ((type *)(void *)((char *)(tag)-offsetof(type, member)))

/* A call that has arrived.  Whoever gets a copy ends it exactly once: by call_answer(), or by
 * call_finish() when all its batches are completed. */
struct call {
	struct transport *t;
	grpc_call *core;
	struct link *link; /* counted there; NULL: not known */
	int64_t began;     /* metrics_now() */
	enum method method;
};

/* Starts a batch; tag->done() comes.  -EIO: it will not come (our own mistake; logged).  Batches
 * that send: [any], one at a time. */
int call_start(const struct call *call, const grpc_op *ops, size_t n, struct tag *tag);

/* Reads one message, then hands it over (GIVEN).  NULL: the client ended its side, or the call,
 * without one.  A message above the limit is answered here. */
void call_read(const struct call *call,
               void (*then)(const struct call *call, grpc_byte_buffer *message));

/* Starts the batch that ends a call by a status; `with_header` if no initial metadata was sent
 * before.  What waits to be written is written first.  As call_start(). */
int call_end(const struct call *call, struct verdict verdict, bool with_header, struct tag *tag);
/* Ends a call at once, dropping what waits to be written.  [any] */
void call_cut(const struct call *call, struct verdict verdict);
/* After the last completion: counts the call, and lets go of it and its arena. */
void call_finish(const struct call *call, grpc_status_code code);

/* All of the end in one: sends one message (GIVEN) if not NULL, the status, and finishes. */
void call_answer(const struct call *call, struct verdict verdict, grpc_byte_buffer *message);

#endif
