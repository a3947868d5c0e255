#include "renewal.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#define DAY_S ((time_t)86400)
#define BORN ((time_t)1767225600) /* 2026-01-01 */

time_t renewal_due(time_t not_before, time_t not_after, double random)
{
	const time_t lifetime = not_after - not_before;

	return not_after - lifetime / 3 - (time_t)((double)lifetime / 50 * random);
}

bool renewal_moment(const struct acme_window *window, time_t not_after, double random, time_t *out)
{
	if (window->end <= window->start || window->end > not_after)
		return false;
	*out = window->start + (time_t)((double)(window->end - window->start) * random);
	return true;
}

int64_t renewal_ask_again(uint64_t retry_after_s, int64_t check, double random)
{
	int64_t wait =
	    retry_after_s > (uint64_t)(DAY / SECOND) ? DAY : (int64_t)retry_after_s * SECOND;

	wait += (int64_t)((double)wait / 10 * random);
	return wait <= check ? wait : check - (int64_t)((double)check / 10 * random);
}

/*
 * What a failure costs decides how soon the next may come.  `factor` of retry-min is the first
 * wait, each further one is twice as long up to `most`.  Let's Encrypt allows five failed
 * validations of a name in an hour, so those begin with five minutes.  What no CA has heard of
 * costs nothing, and a certificate of a day has to survive an outage of some hours.
 */
static const struct pace {
	int64_t factor, least, most;
} paces[FAILURE_KINDS] = {
    [FAILURE_NONE] = {1, 0, DAY},
    [FAILURE_NETWORK] = {1, 0, HOUR},
    [FAILURE_SERVER] = {1, 0, DAY},
    [FAILURE_RATE_LIMIT] = {1, HOUR, DAY},
    [FAILURE_REFUSED] = {5, 0, DAY},
    [FAILURE_CHALLENGE] = {5, 0, DAY},
    [FAILURE_UNREACHABLE] = {1, 0, 15 * MINUTE},
    [FAILURE_HOOK] = {1, 0, DAY},
    [FAILURE_STORAGE] = {1, 0, 15 * MINUTE},
    [FAILURE_LOCAL] = {1, 0, DAY},
};

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t renewal_wait(const struct renewal_policy *policy, const struct failure *f, unsigned n,
                     double random)
{
	const struct pace *pace = &paces[f->kind];
	const int64_t most = min64(pace->most, policy->retry_max);
	int64_t wait = min64(policy->retry_min * pace->factor, most);

	while (n-- > 1 && wait < most)
		wait = min64(wait * 2, most);
	if (f->retry_after_s > 0) {
		/* Nobody is believed for more than a day: certificates do not last long. */
		int64_t asked = f->retry_after_s > (uint64_t)(DAY / SECOND)
		                    ? DAY
		                    : (int64_t)f->retry_after_s * SECOND;

		wait = f->kind == FAILURE_RATE_LIMIT || asked > wait ? asked : wait;
		wait = wait < policy->retry_min ? policy->retry_min : wait;
	} else if (wait < pace->least) {
		wait = pace->least;
	}
	return wait + (int64_t)((double)wait / 5 * random);
}

static time_t min_time(time_t a, time_t b)
{
	return a < b ? a : b;
}

enum renewal_alarm renewal_alarm(time_t not_before, time_t not_after, time_t now)
{
	const time_t lifetime = not_after - not_before, left = not_after - now;

	if (left <= 0)
		return ALARM_EXPIRED;
	if (left <= min_time(DAY_S, lifetime / 10))
		return ALARM_NOW;
	if (left <= min_time(7 * DAY_S, lifetime / 4))
		return ALARM_SOON;
	return ALARM_NONE;
}

bool renewal_clock_is_wrong(time_t now)
{
	return now < BORN;
}
