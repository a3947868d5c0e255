/* How often a CA is asked how far it is. */
#include "pace.h"

#include <errno.h>

/* A CA that says "at once" is not asked without end. */
#define LEAST_WAIT_MS 250u

/* Failed requests in a row that do not end an order. */
#define FORGIVEN 5

void pace_begin(struct pace *p, unsigned timeout_s)
{
	*p = (struct pace){.end_ms = web_now_ms() + (uint64_t)timeout_s * 1000};
}

void pace_hear(struct pace *p, const struct web_answer *answer)
{
	uint64_t ms = answer->retry_after_s * 1000;

	p->failed = 0;
	if (answer->has_retry_after && ms > p->asked_ms)
		p->asked_ms = ms;
}

int pace_forgive(struct pace *p, int r, const struct failure *f)
{
	bool passes = f->kind == FAILURE_NETWORK || f->kind == FAILURE_SERVER ||
	              f->kind == FAILURE_RATE_LIMIT;

	if (!passes || ++p->failed > FORGIVEN || web_now_ms() >= p->end_ms)
		return r;
	if (f->retry_after_s * 1000 > p->asked_ms)
		p->asked_ms = f->retry_after_s * 1000;
	return 0;
}

int pace_wait(struct pace *p, struct web *web, struct failure *f)
{
	static const uint64_t steps[] = {500, 1000, 2000, 3000, 4000, 5000};
	size_t last = sizeof(steps) / sizeof(*steps) - 1;
	uint64_t now = web_now_ms(), ms = steps[p->step < last ? p->step : last];

	if (now >= p->end_ms)
		return -ETIMEDOUT;
	if (p->asked_ms > 0)
		ms = p->asked_ms > LEAST_WAIT_MS ? p->asked_ms : LEAST_WAIT_MS;
	/* The last look is at the deadline, even if the CA asked for more patience. */
	if (ms > p->end_ms - now)
		ms = p->end_ms - now;
	p->step++;
	p->asked_ms = 0;
	return web_wait(web, ms, f);
}
