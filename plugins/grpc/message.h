/*
 * Messages between C core's byte buffers and the daemon, without a copy of ours.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "core.h"

#include <stdbool.h>

struct nbs_host;
struct nbs_msg;
struct transport;

/* [main] Before the first message_wrap(). */
void message_open(struct nbs_host *host);
/* [main] Waits until C core has given back every message; false if it has not after `ms`. */
bool message_close(unsigned ms);

/* [any] Forwards one received message; `bytes` stays the caller's.  As nbs_host.forward(). */
int message_forward(struct transport *t, grpc_byte_buffer *bytes);

/* [any] A buffer that holds the message's own bytes; takes the caller's reference, which is given
 * back on whatever thread C core is done with them. */
grpc_byte_buffer *message_wrap(struct nbs_msg *msg);

#endif
