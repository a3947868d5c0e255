/* Messages between C core's byte buffers and the daemon, without a copy of ours. */
#include "message.h"

#include "pending.h"
#include "transport.h"

#include <errno.h>
#include <sys/uio.h>

/* What a message of half a megabyte arrives in is below this; a client that sends a byte per
 * frame pays with a copy. */
#define PIECES 128

/* C core gives a slice's owner back without saying who made it: these are of the process. */
static void (*release_msg)(struct nbs_msg *);
static struct pending held = PENDING_INITIALIZER;

void message_open(struct nbs_host *host)
{
	release_msg = host->msg_unref;
}

bool message_close(unsigned ms)
{
	return pending_wait(&held, ms);
}

static int forward_copy(struct transport *t, grpc_byte_buffer_reader *reader)
{
	grpc_slice all = grpc_byte_buffer_reader_readall(reader);
	struct iovec iov = {GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all)};
	int r = t->host->forward(t->host, &iov, 1, 0);

	grpc_slice_unref(all);
	return r;
}

int message_forward(struct transport *t, grpc_byte_buffer *bytes)
{
	grpc_byte_buffer_reader reader;
	struct iovec iov[PIECES];
	grpc_slice *slice;
	size_t n = 0;
	int r;

	if (!grpc_byte_buffer_reader_init(&reader, bytes))
		return -EBADMSG;
	if (bytes->data.raw.slice_buffer.count > PIECES) {
		r = forward_copy(t, &reader);
	} else {
		while (grpc_byte_buffer_reader_peek(&reader, &slice))
			iov[n++] =
			    (struct iovec){GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice)};
		r = t->host->forward(t->host, iov, n, 0);
	}
	grpc_byte_buffer_reader_destroy(&reader);
	return r;
}

static void release(void *msg)
{
	release_msg(msg);
	pending_end(&held);
}

grpc_byte_buffer *message_wrap(struct nbs_msg *msg)
{
	grpc_slice slice = grpc_slice_new_with_user_data((void *)msg->wire, msg->len, release, msg);
	grpc_byte_buffer *bytes = grpc_raw_byte_buffer_create(&slice, 1);

	pending_begin(&held);
	grpc_slice_unref(slice);
	return bytes;
}
