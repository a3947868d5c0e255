/*
 * malloc_trim() when it pays: it walks all arenas and holds their locks meanwhile.  What glibc
 * counts as free stays so after a trim, though its pages are gone; so the measure is how much
 * more is free than at the lowest point since the last trim.
 */
#include "memory.h"

#include "clock.h"
#include "log.h"

#include <malloc.h>
#include <stdint.h>

#define LOOK_MS 2000  /* looking walks the free lists: not at every tick */
#define QUIET_MS 4000 /* so long nothing of it was needed again */
#define PAUSE_MS 10000
#define WORTH_IT (8 * 1024 * 1024)

static struct {
	size_t lowest, highest;    /* free bytes since the last trim, and since the rise began */
	uint64_t rose_ms;          /* when `highest` was reached; 0: no rise worth a trim */
	uint64_t look_ms, trim_ms; /* not before */
	uint64_t again_ms;         /* 0, or when to trim once more */
} state = {.lowest = SIZE_MAX};

static void trim(uint64_t now_ms, uint64_t again_ms)
{
	uint64_t begin = clock_ms();

	malloc_trim(0);
	state.lowest =
	    mallinfo2().fordblks; /* not at the next look: much may be freed until then */
	state.rose_ms = 0;
	state.trim_ms = now_ms + PAUSE_MS;
	state.again_ms = again_ms;
	log_debug("daemon", "heap trimmed ms=%llu", (unsigned long long)(clock_ms() - begin));
}

static void look(uint64_t now_ms)
{
	size_t unused = mallinfo2().fordblks;

	if (unused < state.lowest)
		state.lowest = unused;
	if (unused - state.lowest < WORTH_IT) {
		state.rose_ms = 0;
		if (state.again_ms != 0 && now_ms >= state.again_ms)
			trim(now_ms, 0);
		return;
	}
	if (state.rose_ms == 0 || unused > state.highest + WORTH_IT) {
		state.rose_ms = now_ms;
		state.highest = unused;
	}
	if (now_ms >= state.rose_ms + QUIET_MS && now_ms >= state.trim_ms)
		/* Small things that pinned whole pages, such as leases in their grace period, go
		 * later: once more then. */
		trim(now_ms, now_ms + PAUSE_MS);
}

void memory_tick(uint64_t now_ms)
{
	if (now_ms < state.look_ms)
		return;
	state.look_ms = now_ms + LOOK_MS;
	look(now_ms);
}
