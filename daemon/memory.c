/* malloc_trim() when it pays: it walks all arenas and holds their locks meanwhile. */
#include "memory.h"

#include "clock.h"
#include "log.h"

#include <malloc.h>
#include <stdbool.h>

#define QUIET_MS 3000
#define PAUSE_MS 10000
/* Rough bytes of heap behind one connection, whatever transport it has. */
#define PER_CONNECTION 16384
#define PER_GRACE_LEASE 8192
#define WORTH_IT (8 * 1024 * 1024)

static struct {
	size_t peak;      /* the most in use since the last trim */
	size_t lowest;    /* the least since the fall began */
	uint64_t fell_ms; /* when `lowest` was reached; 0: no fall worth a trim */
	uint64_t next_ms; /* not before */
} state;

static void trim(uint64_t now_ms, size_t used)
{
	uint64_t begin = clock_ms();

	malloc_trim(0);
	state.peak = used;
	state.fell_ms = 0;
	state.next_ms = now_ms + PAUSE_MS;
	log_debug("daemon", "heap trimmed ms=%llu", (unsigned long long)(clock_ms() - begin));
}

void memory_tick(uint64_t now_ms, const struct memory_use *use)
{
	size_t used = (size_t)use->connections * PER_CONNECTION +
	              (size_t)use->grace_leases * PER_GRACE_LEASE + use->mailbox_bytes;

	if (used > state.peak)
		state.peak = used;
	if (state.peak - used < WORTH_IT) {
		state.fell_ms = 0;
		return;
	}
	if (state.fell_ms == 0 || used < state.lowest) {
		state.fell_ms = now_ms;
		state.lowest = used;
	}
	if (now_ms >= state.fell_ms + QUIET_MS && now_ms >= state.next_ms)
		trim(now_ms, used);
}
