#include "when.h"

#include <stdio.h>

const char *when_text(char out[static WHEN_SIZE], time_t t)
{
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(out, WHEN_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(out, WHEN_SIZE, "%lld", (long long)t);
	return out;
}

const char *when_far(char out[static WHEN_SIZE], time_t t, time_t now)
{
	static const struct {
		long long seconds;
		const char *name;
	} units[] = {{86400, "days"}, {3600, "hours"}, {60, "minutes"}, {1, "seconds"}};
	long long far = t > now ? (long long)t - now : (long long)now - t;
	size_t i = 0;

	while (i < 3 && far < 2 * units[i].seconds)
		i++;
	snprintf(out, WHEN_SIZE, t > now ? "in %lld %s" : "%lld %s ago", far / units[i].seconds,
	         units[i].name);
	return out;
}
