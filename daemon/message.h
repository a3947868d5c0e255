/*
 * A message: the bytes of one EncryptedMessage as they arrived, immutable and counted by
 * reference.  Everything here is [any].
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <netbird-signal/plugin.h>

#include <stdatomic.h>

struct message {
	struct nbs_msg pub; /* first, so that a nbs_msg is its message */
	atomic_uint refs;
	struct message *next; /* for the one mailbox or list that it waits in */
	uint64_t accepted_ns; /* CLOCK_MONOTONIC, for the latency */
	unsigned char bytes[];
};

/*
 * Copies the pieces into a new message with one reference.  -EMSGSIZE: more than `max` bytes;
 * -EBADMSG: no EncryptedMessage; -ENOMEM.
 */
int message_new(struct message **out, const struct iovec *wire, size_t n, size_t max);
struct message *message_ref(struct message *msg);
void message_unref(struct message *msg);
/* What it takes of a mailbox's bound, its own record included. */
size_t message_cost(const struct message *msg);
struct message *message_of(struct nbs_msg *pub);

#endif
