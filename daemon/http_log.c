/* libwebsockets' own lines.  Nearly all of its errors are a client's doing. */
#include "http_private.h"

#include "log.h"

#include <stdio.h>
#include <string.h>

static char first[160];
static atomic_bool said;

static void emit(int level, const char *line)
{
	static struct log_limit limit;
	const int len = (int)strcspn(line, "\n");

	if (level != LLL_ERR) {
		log_debug("http", "libwebsockets: %.*s", len, line);
		return;
	}
	if (!atomic_exchange(&said, true))
		snprintf(first, sizeof(first), "%.*s", len, line);
	log_limited(&limit, NBS_DEBUG, "http", "libwebsockets: %.*s", len, line);
}

void http_log_open(void)
{
	first[0] = '\0';
	atomic_store(&said, false);
	lws_set_log_level(LLL_ERR | LLL_WARN, emit);
}

const char *http_log_first(void)
{
	return first;
}
