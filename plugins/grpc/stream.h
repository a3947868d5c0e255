/*
 * ConnectStream: a peer, from its registration to its end.
 */
#ifndef STREAM_H
#define STREAM_H

#include "core.h"

struct call;

/* Takes the call.  On the queue's thread. */
void stream_begin(const struct call *call, const grpc_metadata_array *metadata);

#endif
