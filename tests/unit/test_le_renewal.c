/* When a certificate is renewed and what failed is tried again: plugins/letsencrypt/renewal.c. */
#include "../../plugins/letsencrypt/renewal.h"
#include "../../plugins/letsencrypt/when.h"

#include <criterion/criterion.h>

#define DAY 86400
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

#define ALMOST 0.999999

static const struct renewal_policy usual = {MINUTE, 6 * HOUR};

static int64_t wait_of(enum failure_kind kind, unsigned n, uint64_t retry_after_s)
{
	const struct failure f = {.kind = kind, .retry_after_s = retry_after_s};

	return renewal_wait(&usual, &f, n, 0);
}

Test(renewal, with_a_third_of_the_lifetime_left)
{
	static const time_t lifetimes[] = {90 * DAY, 45 * DAY, 6 * DAY, 60};

	for (size_t i = 0; i < sizeof(lifetimes) / sizeof(lifetimes[0]); i++) {
		const time_t born = 1800000000, end = born + lifetimes[i];

		cr_expect_eq(renewal_due(born, end, 0), end - lifetimes[i] / 3);
		cr_expect_geq(renewal_due(born, end, ALMOST),
		              end - lifetimes[i] / 3 - lifetimes[i] / 50);
		cr_expect_leq(renewal_due(born, end, ALMOST), renewal_due(born, end, 0));
	}
}

Test(renewal, at_a_moment_of_the_window)
{
	const struct acme_window w = {.start = 1000, .end = 2000};
	time_t at;

	cr_assert(renewal_moment(&w, 5000, 0, &at));
	cr_expect_eq(at, 1000);
	cr_assert(renewal_moment(&w, 5000, 0.5, &at));
	cr_expect_eq(at, 1500);
	cr_assert(renewal_moment(&w, 5000, ALMOST, &at));
	cr_expect_lt(at, 2000);
}

Test(renewal, a_window_without_sense_is_none)
{
	time_t at;

	cr_expect_not(
	    renewal_moment(&(struct acme_window){.start = 2000, .end = 2000}, 5000, 0, &at));
	cr_expect_not(
	    renewal_moment(&(struct acme_window){.start = 2000, .end = 1000}, 5000, 0, &at));
	cr_expect_not(
	    renewal_moment(&(struct acme_window){.start = 4000, .end = 5001}, 5000, 0, &at),
	    "the certificate would have expired");
	cr_expect(renewal_moment(&(struct acme_window){.start = 4000, .end = 5000}, 5000, 0, &at));
}

Test(renewal, the_window_is_asked_for_as_the_ca_says_and_daily)
{
	cr_expect_eq(renewal_ask_again(6 * 3600, 24 * HOUR, 0), 6 * HOUR);
	cr_expect_leq(renewal_ask_again(6 * 3600, 24 * HOUR, ALMOST), 6 * HOUR + 6 * HOUR / 10);
	cr_expect_geq(renewal_ask_again(6 * 3600, 24 * HOUR, ALMOST), 6 * HOUR);
	for (double random = 0; random < 1; random += 0.1) {
		cr_expect_leq(renewal_ask_again(UINT64_MAX, 24 * HOUR, random), 24 * HOUR);
		cr_expect_geq(renewal_ask_again(UINT64_MAX, 24 * HOUR, random), 21 * HOUR);
	}
	cr_expect_leq(renewal_ask_again(3600, SECOND, 0.5), SECOND);
}

Test(renewal, waits_grow_and_have_an_end)
{
	int64_t last = 0;

	for (unsigned n = 1; n < 12; n++) {
		int64_t wait = wait_of(FAILURE_SERVER, n, 0);

		cr_expect_eq(wait, n < 10 ? MINUTE << (n - 1) : 6 * HOUR, "%u: %lld", n,
		             (long long)wait);
		cr_expect_geq(wait, last);
		last = wait;
	}
	cr_expect_eq(wait_of(FAILURE_SERVER, UINT32_MAX, 0), 6 * HOUR);
}

Test(renewal, chance_only_adds)
{
	for (int kind = FAILURE_NONE + 1; kind < FAILURE_KINDS; kind++) {
		const struct failure f = {.kind = (enum failure_kind)kind};
		int64_t least = renewal_wait(&usual, &f, 3, 0);
		int64_t most = renewal_wait(&usual, &f, 3, ALMOST);

		cr_expect_geq(most, least);
		cr_expect_leq(most, least + least / 5);
		cr_expect_geq(least, MINUTE);
	}
}

Test(renewal, what_costs_validations_waits_longer)
{
	unsigned tries = 1;
	int64_t sum = 0;

	while ((sum += wait_of(FAILURE_CHALLENGE, tries, 0)) < HOUR)
		tries++;
	cr_expect_lt(tries, 5, "Let's Encrypt allows five in an hour, not %u", tries);
	cr_expect_eq(wait_of(FAILURE_REFUSED, 1, 0), 5 * MINUTE);
}

Test(renewal, what_costs_nothing_is_tried_often)
{
	cr_expect_eq(wait_of(FAILURE_UNREACHABLE, 100, 0), 15 * MINUTE);
	cr_expect_eq(wait_of(FAILURE_STORAGE, 100, 0), 15 * MINUTE);
	cr_expect_eq(wait_of(FAILURE_NETWORK, 100, 0), HOUR);
}

/* Of 24 hours a third is left for it: an outage of six must not outlast it. */
Test(renewal, a_certificate_of_a_day_survives_an_outage)
{
	int64_t at = 0;

	for (unsigned n = 1; at < 6 * HOUR; n++) {
		const struct failure f = {.kind = FAILURE_NETWORK};

		at += renewal_wait(&usual, &f, n, ALMOST);
	}
	cr_expect_lt(at, 8 * HOUR);
}

Test(renewal, a_rate_limit_waits_an_hour_or_as_it_says)
{
	cr_expect_eq(wait_of(FAILURE_RATE_LIMIT, 1, 0), HOUR);
	cr_expect_eq(wait_of(FAILURE_RATE_LIMIT, 1, 120), 2 * MINUTE);
	cr_expect_eq(wait_of(FAILURE_RATE_LIMIT, 9, 120), 2 * MINUTE);
	cr_expect_eq(wait_of(FAILURE_RATE_LIMIT, 1, 1), MINUTE, "not sooner than retry-min");
	cr_expect_eq(wait_of(FAILURE_RATE_LIMIT, 1, 7 * DAY), 24 * HOUR);
	cr_expect_eq(wait_of(FAILURE_RATE_LIMIT, 1, UINT64_MAX), 24 * HOUR);
}

Test(renewal, retry_after_of_others_is_the_least)
{
	cr_expect_eq(wait_of(FAILURE_SERVER, 1, 600), 10 * MINUTE);
	cr_expect_eq(wait_of(FAILURE_SERVER, 8, 600), 128 * MINUTE);
	cr_expect_eq(wait_of(FAILURE_SERVER, 1, UINT64_MAX), 24 * HOUR);
}

Test(renewal, alarms)
{
	const time_t born = 1800000000, end = born + 90 * DAY;

	cr_expect_eq(renewal_alarm(born, end, end - 8 * DAY), ALARM_NONE);
	cr_expect_eq(renewal_alarm(born, end, end - 7 * DAY), ALARM_SOON);
	cr_expect_eq(renewal_alarm(born, end, end - DAY), ALARM_NOW);
	cr_expect_eq(renewal_alarm(born, end, end - 1), ALARM_NOW);
	cr_expect_eq(renewal_alarm(born, end, end), ALARM_EXPIRED);
	/* Of six days the last seven are no reason. */
	cr_expect_eq(renewal_alarm(born, born + 6 * DAY, born + 3 * DAY), ALARM_NONE);
	cr_expect_eq(renewal_alarm(born, born + 6 * DAY, born + 5 * DAY), ALARM_SOON);
}

Test(renewal, a_clock_that_was_never_set)
{
	cr_expect(renewal_clock_is_wrong(0));
	cr_expect(renewal_clock_is_wrong(1700000000));
	cr_expect_not(renewal_clock_is_wrong(time(NULL)));
}

Test(when, in_words)
{
	char text[WHEN_SIZE];

	cr_expect_str_eq(when_text(text, 0), "1970-01-01T00:00:00Z");
	cr_expect_str_eq(when_text(text, 1795397705), "2026-11-23T01:35:05Z");
	when_text(text, INT64_MAX); /* no year of this world */
	cr_expect_str_eq(when_far(text, 1000, 1000), "0 seconds ago");
	cr_expect_str_eq(when_far(text, 1000 + 29 * DAY, 1000), "in 29 days");
	cr_expect_str_eq(when_far(text, 1000, 1000 + DAY), "24 hours ago");
	cr_expect_str_eq(when_far(text, 1000, 1000 + 119), "119 seconds ago");
	cr_expect_str_eq(when_far(text, 1000 + 121, 1000), "in 2 minutes");
}
