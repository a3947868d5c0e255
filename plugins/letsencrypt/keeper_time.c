/*
 * Waiting is counted on a clock that nobody sets (CLOCK_BOOTTIME), certificates by the wall clock.
 * That one may be wrong and may be set at any time, so it is looked at with every step: a machine
 * without a battery may begin in 1970.
 */
#include "keeper_private.h"

#include <stdlib.h>
#include <sys/random.h>

#define CLOCK_JUMP 30000 /* ms; less is slewing */

static int64_t clock_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t keeper_boot_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

time_t keeper_wall(void)
{
	return (time_t)(clock_ms(CLOCK_REALTIME) / 1000);
}

double keeper_chance(void)
{
	uint32_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
		n = (uint32_t)keeper_boot_ms(); /* no secret, only a spread */
	return n / 4294967296.0;
}

bool keeper_fits(const struct keeper *k)
{
	const struct settings *s = k->settings;

	return k->cert != NULL && certificate_fits(k->cert, s->names.ids, s->names.n, s->key_type);
}

time_t keeper_due_at(const struct keeper *k)
{
	return k->has_window ? k->moment : k->due;
}

static bool is_too_early(const struct keeper *k)
{
	return k->cert != NULL && k->cert->not_before > keeper_wall() + RENEWAL_SLACK;
}

bool keeper_is_due(const struct keeper *k)
{
	return !keeper_fits(k) || (!is_too_early(k) && keeper_wall() >= keeper_due_at(k));
}

bool keeper_may_renew(const struct keeper *k)
{
	return keeper_is_due(k) && (!keeper_fits(k) || keeper_boot_ms() >= k->calm);
}

time_t keeper_next_attempt(const struct keeper *k)
{
	const bool calm = keeper_fits(k) && !k->unsaved && k->calm > k->not_until;
	const int64_t left = (calm ? k->calm : k->not_until) - keeper_boot_ms();
	time_t at, now = keeper_wall();

	if (k->clock_wrong || k->too_early)
		return 0;
	at = keeper_fits(k) && keeper_due_at(k) > now ? keeper_due_at(k) : now;
	if (k->unsaved)
		at = now;
	return left > 0 && now + left / 1000 > at ? now + (time_t)(left / 1000) : at;
}

/* What a clock that was wrong can have caused; a further try costs the CA nothing, and a clock may
 * be set again and again. */
static bool is_free(enum failure_kind kind)
{
	return kind != FAILURE_RATE_LIMIT && kind != FAILURE_REFUSED && kind != FAILURE_CHALLENGE;
}

void keeper_look_at_clock(struct keeper *k)
{
	const int64_t boot = keeper_boot_ms(), offset = clock_ms(CLOCK_REALTIME) - boot;
	const bool jumped = k->clock_known && llabs(offset - k->offset) > CLOCK_JUMP,
		   wrong = renewal_clock_is_wrong(keeper_wall());
	struct nbs_host *host = k->p->host;
	char now[WHEN_SIZE];

	/* Slewing adds up; it is measured from one look to the next. */
	k->offset = offset;
	k->clock_known = true;
	if (jumped) {
		k->ask_again = 0;
		if (is_free(k->last.kind))
			k->not_until = 0;
		if (!wrong)
			host->log(host, NBS_INFO, "the clock was set: it says %s",
			          when_text(now, keeper_wall()));
	}
	if (wrong && !k->clock_wrong)
		host->log(host, NBS_ERROR,
		          "the clock says %s, which is wrong: no certificate is asked for until it "
		          "is set",
		          when_text(now, keeper_wall()));
	k->clock_wrong = wrong;
}

/* The clock may be right as far as we know and yet be behind the certificate. */
void keeper_look_at_start(struct keeper *k)
{
	const bool early = is_too_early(k);
	struct nbs_host *host = k->p->host;
	char from[WHEN_SIZE], now[WHEN_SIZE];

	if (early && !k->too_early)
		host->log(host, NBS_ERROR,
		          "the certificate is valid from %s on, but the clock says %s, which is "
		          "probably wrong: nothing is asked for until it is set",
		          when_text(from, k->cert->not_before), when_text(now, keeper_wall()));
	k->too_early = early;
}
