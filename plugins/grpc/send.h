/*
 * Send: one message to one peer.
 */
#ifndef SEND_H
#define SEND_H

#include "core.h"

struct call;

/* Takes the call.  On the queue's thread. */
void send_begin(const struct call *call, const grpc_metadata_array *metadata);

#endif
