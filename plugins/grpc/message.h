/*
 * Messages between C core's byte buffers and the daemon, without a copy of ours.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "core.h"

struct nbs_host;
struct nbs_msg;
struct transport;

/* Before the first message_wrap(). */
void message_setup(struct nbs_host *host);

/* Forwards one received message; `bytes` stays the caller's.  As nbs_host.forward(). */
int message_forward(struct transport *t, grpc_byte_buffer *bytes);

/* A buffer that holds the message's own bytes; takes the caller's reference, which is given
 * back on whatever thread C core is done with them. */
grpc_byte_buffer *message_wrap(struct nbs_msg *msg);

#endif
