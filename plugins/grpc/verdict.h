/*
 * What the server says at the end of a call: a status code and a text.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include "core.h"

struct verdict {
	grpc_status_code code;
	const char *text;
};

extern const struct verdict verdict_ok, verdict_stopping, verdict_no_id, verdict_replaced,
    verdict_stalled, verdict_no_message, verdict_too_large, verdict_unimplemented,
    verdict_no_request, verdict_no_service, verdict_watchers;

/* What nbs_host.forward() said, as an answer: most of it is not the sender's business. */
struct verdict verdict_forward(int error);
/* Why a registration failed, as an answer; `why` is the reason of -EACCES. */
struct verdict verdict_refusal(int error, const char *why);

#endif
