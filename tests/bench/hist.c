/* hist.c - durations in logarithmic buckets. */
#include "hist.h"

#include <string.h>

#define SUB_BITS 6
#define SUB (1u << SUB_BITS)

/* Below SUB each value has its own bucket; above, the top SUB_BITS bits after the first choose. */
static unsigned bucket_of(uint64_t ns)
{
	unsigned shift;

	if (ns < SUB)
		return (unsigned)ns;
	shift = 63u - (unsigned)__builtin_clzll(ns) - SUB_BITS;
	return (shift + 1) * SUB + (unsigned)((ns >> shift) - SUB);
}

static uint64_t bucket_top(unsigned b)
{
	unsigned shift;

	if (b < SUB)
		return b;
	shift = b / SUB - 1;
	return ((uint64_t)(b % SUB + SUB + 1) << shift) - 1;
}

void hist_reset(struct hist *h)
{
	memset(h, 0, sizeof(*h));
}

void hist_add(struct hist *h, uint64_t ns)
{
	h->count[bucket_of(ns)]++;
	h->total++;
	if (ns > h->max)
		h->max = ns;
}

uint64_t hist_quantile(const struct hist *h, double q)
{
	uint64_t rank = (uint64_t)(q * (double)h->total);
	uint64_t seen = 0;

	if (h->total == 0)
		return 0;
	if (rank >= h->total)
		rank = h->total - 1;
	for (unsigned b = 0; b < HIST_BUCKETS; b++) {
		seen += h->count[b];
		if (seen > rank) /* the last bucket is open towards its top */
			return bucket_top(b) < h->max ? bucket_top(b) : h->max;
	}
	return h->max;
}
