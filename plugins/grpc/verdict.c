/* What the server says at the end of a call: a status code and a text. */
#include "verdict.h"

#include <errno.h>

const struct verdict verdict_ok = {GRPC_STATUS_OK, ""};
const struct verdict verdict_stopping = {GRPC_STATUS_UNAVAILABLE, "server is shutting down"};
const struct verdict verdict_no_id = {GRPC_STATUS_FAILED_PRECONDITION,
                                      "missing connection header: x-wiretrustee-peer-id"};
const struct verdict verdict_replaced = {GRPC_STATUS_UNKNOWN, "peer registered again"};
const struct verdict verdict_stalled = {GRPC_STATUS_UNAVAILABLE, "receiver stalled"};
const struct verdict verdict_no_message = {GRPC_STATUS_INTERNAL, "no message"};
const struct verdict verdict_too_large = {GRPC_STATUS_RESOURCE_EXHAUSTED, "message too large"};
const struct verdict verdict_unimplemented = {GRPC_STATUS_UNIMPLEMENTED,
                                              "unknown service or method"};
const struct verdict verdict_no_request = {GRPC_STATUS_INTERNAL, "no HealthCheckRequest"};
const struct verdict verdict_no_service = {GRPC_STATUS_NOT_FOUND, "unknown service"};
const struct verdict verdict_watchers = {GRPC_STATUS_RESOURCE_EXHAUSTED, "too many watchers"};

static const struct verdict malformed = {GRPC_STATUS_INTERNAL, "no EncryptedMessage"};
static const struct verdict long_id = {GRPC_STATUS_FAILED_PRECONDITION, "peer id too long"};
static const struct verdict no_memory = {GRPC_STATUS_RESOURCE_EXHAUSTED, "out of memory"};
static const struct verdict too_often = {GRPC_STATUS_UNAVAILABLE,
                                         "registering too often, try again later"};
static const struct verdict undecided = {GRPC_STATUS_UNAVAILABLE, "registration was not decided"};

struct verdict verdict_forward(int error)
{
	switch (error) {
	case -EBADMSG:
		return malformed;
	case -EMSGSIZE:
		return verdict_too_large;
	default:
		return verdict_ok;
	}
}

struct verdict verdict_refusal(int error, const char *why)
{
	switch (error) {
	case -EACCES:
		return (struct verdict){GRPC_STATUS_PERMISSION_DENIED, why};
	case -EAGAIN:
		return too_often;
	case -EINVAL:
		return verdict_no_id;
	case -ENAMETOOLONG:
		return long_id;
	case -ENOMEM:
		return no_memory;
	case -ESHUTDOWN:
		return verdict_stopping;
	default:
		return undecided;
	}
}
