/*
 * What all calls have in common.  Per-call state lives in the call's arena: it costs no
 * allocation, and goes with the last reference to the call.
 */
#include "call.h"

#include "links.h"
#include "transport.h"

#include <errno.h>

struct reading {
	struct call call;
	struct tag tag;
	grpc_byte_buffer *message;
	void (*then)(const struct call *call, grpc_byte_buffer *message);
};

struct answer {
	struct call call;
	struct tag tag;
	grpc_status_code code;
	int cancelled;
};

int call_start(const struct call *call, const grpc_op *ops, size_t n, struct tag *tag)
{
	struct nbs_host *host = call->t->host;
	grpc_call_error e = grpc_call_start_batch(call->core, ops, n, tag, NULL);

	if (e == GRPC_CALL_OK)
		return 0;
	host->log(host, NBS_ERROR, "batch refused: first-op=%d error=%s", (int)ops[0].op,
	          grpc_call_error_to_string(e));
	grpc_call_cancel(call->core, NULL);
	return -EIO;
}

static void message_read(struct tag *tag, bool ok)
{
	struct reading *r = TAG_OWNER(tag, struct reading, tag);

	if (ok)
		r->then(&r->call, r->message);
	else /* C core has told the client already */
		call_answer(&r->call, verdict_too_large, NULL);
}

void call_read(const struct call *call,
               void (*then)(const struct call *call, grpc_byte_buffer *message))
{
	struct reading *r = grpc_call_arena_alloc(call->core, sizeof(*r));
	grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

	*r = (struct reading){*call, {message_read}, NULL, then};
	op.data.recv_message.recv_message = &r->message;
	if (call_start(call, &op, 1, &r->tag) < 0)
		call_finish(call, GRPC_STATUS_CANCELLED);
}

static grpc_op op_status(struct verdict verdict, grpc_slice *details)
{
	grpc_op op = {.op = GRPC_OP_SEND_STATUS_FROM_SERVER};

	*details = grpc_slice_from_static_string(verdict.text); /* copied when the batch starts */
	op.data.send_status_from_server.status = verdict.code;
	if (verdict.text[0] != '\0')
		op.data.send_status_from_server.status_details = details;
	return op;
}

int call_end(const struct call *call, struct verdict verdict, bool with_header, struct tag *tag)
{
	grpc_slice details;
	grpc_op ops[2] = {op_status(verdict, &details), {.op = GRPC_OP_SEND_INITIAL_METADATA}};

	return call_start(call, ops, with_header ? 2 : 1, tag);
}

void call_cut(const struct call *call, struct verdict verdict)
{
	grpc_call_cancel_with_status(call->core, verdict.code, verdict.text, NULL);
}

void call_finish(const struct call *call, grpc_status_code code)
{
	struct transport *t = call->t;

	metrics_rpc(&t->metrics, call->method, code, call->began);
	links_leave(call->link);
	grpc_call_unref(call->core); /* and often what `call` points to */
	pending_end(&t->calls);
}

static void answered(struct tag *tag, bool ok)
{
	struct answer *a = TAG_OWNER(tag, struct answer, tag);

	(void)ok; /* a client that did not wait for its answer is no news */
	call_finish(&a->call, a->code);
}

void call_answer(const struct call *call, struct verdict verdict, grpc_byte_buffer *message)
{
	struct answer *a = grpc_call_arena_alloc(call->core, sizeof(*a));
	grpc_slice details;
	grpc_op ops[4] = {
	    {.op = GRPC_OP_SEND_INITIAL_METADATA},
	    {.op = GRPC_OP_RECV_CLOSE_ON_SERVER},
	    op_status(verdict, &details),
	    {.op = GRPC_OP_SEND_MESSAGE},
	};

	*a = (struct answer){*call, {answered}, verdict.code, 0};
	ops[1].data.recv_close_on_server.cancelled = &a->cancelled;
	ops[3].data.send_message.send_message = message;
	if (call_start(call, ops, message != NULL ? 4 : 3, &a->tag) < 0)
		call_finish(call, verdict.code);
	grpc_byte_buffer_destroy(message);
}
