/*
 * stream.h - one ConnectStream of the yardstick: a call of C core and the messages that wait for
 * it, because only one SEND_MESSAGE of a call may be in flight.  All functions [any].
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include "../../plugins/grpc/core.h"
#include "idmap.h"

/* What a completion queue returns: done() is called on the queue's thread. */
struct tag {
	void (*done)(struct tag *t, int ok);
};

struct stream;

/* Hands a serialized EncryptedMessage to the stream of its receiver; `wire` is GIVEN. */
void stream_forward(struct idmap *streams, grpc_byte_buffer *wire);

/* Takes over a new call, answers with the registration header and enters it into the map under
 * the id in `metadata` (lent).  Without an id the call is ended. */
void stream_begin(struct idmap *streams, grpc_call *call, const grpc_metadata_array *metadata);

/* For idmap_new(). */
void stream_hold(void *stream);

#endif
