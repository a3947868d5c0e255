/*
 * C core's own log goes to the daemon's.  Most of what C core calls an error any client can
 * cause, as often as it likes: such lines are for debugging.  A failed assertion is what it says,
 * and the last line before abort().
 */
#include "core_log.h"

#include "core.h"

#include <netbird-signal/plugin.h>

#include <stdatomic.h>
#include <string.h>

static struct nbs_host *_Atomic log_host;

static void forward(gpr_log_func_args *line)
{
	struct nbs_host *host = atomic_load(&log_host);
	enum nbs_level level = strstr(line->message, "assertion failed") ? NBS_ERROR : NBS_DEBUG;
	const char *file = strrchr(line->file, '/');

	if (host != NULL && host->log_enabled(host, level))
		host->log(host, level, "core: %s at=%s:%d", line->message,
		          file ? file + 1 : line->file, line->line);
}

void core_log_open(struct nbs_host *host)
{
	atomic_store(&log_host, host);
	gpr_set_log_function(forward);
}

void core_log_close(void)
{
	/* C core keeps threads for a while; they may still be in forward(). */
	atomic_store(&log_host, NULL);
}
