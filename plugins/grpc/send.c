/*
 * Send: one message to one peer.  What became of the message is not the sender's business:
 * clients repeat any error up to four times at once.
 */
#include "send.h"

#include "call.h"
#include "message.h"

static void send_message(const struct call *call, grpc_byte_buffer *message)
{
	struct verdict verdict = verdict_no_message;
	grpc_byte_buffer *empty = NULL;

	if (message != NULL)
		verdict = verdict_forward(message_forward(call->t, message));
	grpc_byte_buffer_destroy(message);
	if (verdict.code == GRPC_STATUS_OK)
		empty = grpc_raw_byte_buffer_create(NULL, 0);
	call_answer(call, verdict, empty);
}

void send_begin(const struct call *call, const grpc_metadata_array *metadata)
{
	(void)metadata;
	call_read(call, send_message);
}
