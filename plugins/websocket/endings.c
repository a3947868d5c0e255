/* How the WebSocket of a light peer ends. */
#include "endings.h"

#include <errno.h>
#include <stddef.h>

/* 4400 and above are ours (RFC 6455, 7.4.2), numbered after status codes of HTTP where one
 * is alike. */
static const struct {
	unsigned code;
	const char *name, *reason;
} endings[ENDINGS] = {
    [END_CLIENT] = {0, "client", ""},
    [END_LOST] = {0, "lost", ""},
    [END_MISSING_ID] = {4400, "missing_id", "missing peer id"},
    [END_LONG_ID] = {4414, "long_id", "peer id too long"},
    [END_REFUSED] = {4403, "refused", ""},
    [END_TOO_OFTEN] = {4429, "too_often", "registering too often, try again later"},
    [END_UNDECIDED] = {1013, "undecided", "registration was not decided"},
    [END_NO_MEMORY] = {1013, "no_memory", "out of memory"},
    [END_REPLACED] = {4409, "replaced", "peer registered again"},
    [END_STALLED] = {4410, "stalled", "receiver stalled"},
    [END_STOPPING] = {1001, "stopping", "server is shutting down"},
    [END_EARLY] = {1008, "early", "message before the registration"},
    [END_TEXT] = {1003, "text", "messages are binary"},
    [END_MALFORMED] = {1007, "malformed", "no EncryptedMessage"},
    [END_TOO_LARGE] = {1009, "too_large", "message too large"},
    [END_LATE] = {4408, "late", "message took too long"},
    [END_CROWDED] = {1013, "crowded", "too many unfinished messages"},
};

unsigned ending_code(enum ending ending)
{
	return endings[ending].code;
}

const char *ending_reason(enum ending ending)
{
	return endings[ending].reason;
}

const char *ending_name(enum ending ending)
{
	return endings[ending].name;
}

bool ending_is_fault(enum ending ending)
{
	switch (ending) {
	case END_MISSING_ID:
	case END_LONG_ID:
	case END_EARLY:
	case END_TEXT:
	case END_MALFORMED:
	case END_TOO_LARGE:
	case END_LATE:
		return true;
	default:
		return false;
	}
}

enum ending ending_of_verdict(int verdict)
{
	switch (verdict) {
	case -EACCES:
		return END_REFUSED;
	case -EAGAIN:
		return END_TOO_OFTEN;
	case -EINVAL:
		return END_MISSING_ID;
	case -ENAMETOOLONG:
		return END_LONG_ID;
	case -ENOMEM:
		return END_NO_MEMORY;
	case -ESHUTDOWN:
		return END_STOPPING;
	default:
		return END_UNDECIDED;
	}
}

enum ending ending_of_piece(int error)
{
	switch (error) {
	case -EPROTOTYPE:
		return END_TEXT;
	case -EPROTO:
		return END_MALFORMED;
	case -EMSGSIZE:
		return END_TOO_LARGE;
	case -ETIMEDOUT:
		return END_LATE;
	default:
		return END_CROWDED;
	}
}
