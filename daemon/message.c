/* Counted, immutable messages; one allocation each. */
#include "message.h"

#include "clock.h"
#include "envelope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int total_length(size_t *total, const struct iovec *wire, size_t n, size_t max)
{
	*total = 0;
	for (size_t i = 0; i < n; i++) {
		if (wire[i].iov_len > max - *total)
			return -EMSGSIZE;
		*total += wire[i].iov_len;
	}
	return 0;
}

static void gather(unsigned char *to, const struct iovec *wire, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (wire[i].iov_len == 0)
			continue;
		memcpy(to, wire[i].iov_base, wire[i].iov_len);
		to += wire[i].iov_len;
	}
}

int message_new(struct message **out, const struct iovec *wire, size_t n, size_t max)
{
	struct message *msg;
	struct envelope env;
	size_t len;
	int r;

	if ((r = total_length(&len, wire, n, max)) < 0)
		return r;
	if ((msg = malloc(sizeof(*msg) + len)) == NULL)
		return -ENOMEM;
	gather(msg->bytes, wire, n);
	if ((r = envelope_scan(&env, msg->bytes, len)) < 0) {
		free(msg);
		return r;
	}
	msg->pub = (struct nbs_msg){.from = env.from,
	                            .from_len = env.from_len,
	                            .to = env.to,
	                            .to_len = env.to_len,
	                            .wire = msg->bytes,
	                            .len = len};
	atomic_init(&msg->refs, 1);
	msg->next = NULL;
	msg->accepted_ns = clock_ns();
	*out = msg;
	return 0;
}

struct message *message_ref(struct message *msg)
{
	atomic_fetch_add_explicit(&msg->refs, 1, memory_order_relaxed);
	return msg;
}

void message_unref(struct message *msg)
{
	if (msg != NULL && atomic_fetch_sub_explicit(&msg->refs, 1, memory_order_acq_rel) == 1)
		free(msg);
}

size_t message_cost(const struct message *msg)
{
	return sizeof(*msg) + msg->pub.len;
}

struct message *message_of(struct nbs_msg *pub)
{
	return (struct message *)pub;
}
