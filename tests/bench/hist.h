/*
 * hist.h - a histogram of durations with logarithmic buckets: 64 to each power of two, so a
 * quantile is at most 1.6 % too high, from nanoseconds to hours, in a fixed 30 KiB.
 * One thread.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

#define HIST_BUCKETS (59 * 64)

struct hist {
	uint64_t count[HIST_BUCKETS];
	uint64_t total;
	uint64_t max;
};

void hist_reset(struct hist *h);
void hist_add(struct hist *h, uint64_t ns);
/* The duration that the share `q` (0 to 1) of all did not exceed; 0 if there are none. */
uint64_t hist_quantile(const struct hist *h, double q);

#endif
