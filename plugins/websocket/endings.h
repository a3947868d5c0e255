/*
 * How the WebSocket of a light peer ends: close code, reason, and the label under which it is
 * counted.  docs/WEBSOCKET.md lists them for clients.
 */
#ifndef ENDINGS_H
#define ENDINGS_H

#include <stdbool.h>

enum ending {
	END_CLIENT, /* it closed */
	END_LOST,   /* the connection broke, or did not answer pings */
	END_MISSING_ID,
	END_LONG_ID,
	END_REFUSED, /* by a plugin */
	END_TOO_OFTEN,
	END_UNDECIDED,
	END_NO_MEMORY,
	END_REPLACED,
	END_STALLED,
	END_STOPPING,
	END_EARLY, /* a message before the registration */
	END_TEXT,
	END_MALFORMED,
	END_TOO_LARGE,
	END_LATE,    /* a message took longer than message-timeout */
	END_CROWDED, /* no receive-memory, and its message was the oldest */
	ENDINGS
};

/* 0 where the end was the client's. */
unsigned ending_code(enum ending ending);
const char *ending_reason(enum ending ending);
/* The label's value. */
const char *ending_name(enum ending ending);

/* Whether the client did what it should not. */
bool ending_is_fault(enum ending ending);

/* After peer_register() or registered() with that negative errno. */
enum ending ending_of_verdict(int verdict);
/* After receive_piece() or receive_lost() with that negative errno. */
enum ending ending_of_piece(int error);

#endif
