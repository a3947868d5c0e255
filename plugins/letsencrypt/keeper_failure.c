#include "keeper_private.h"

void keeper_failed(struct keeper *k, const char *what, const struct failure *f)
{
	const struct renewal_policy policy = {k->settings->retry_min, k->settings->retry_max};
	struct status *st;
	char when[WHEN_SIZE];
	int64_t wait;

	k->failures++;
	k->last = *f;
	wait = renewal_wait(&policy, f, k->failures, keeper_chance());
	k->not_until = keeper_boot_ms() + wait;
	metrics_failure(k->p->metrics, f->kind);
	st = status_lock(k->p->board);
	st->last = (struct status_failure){.failure = *f, .n = k->failures, .at = keeper_wall()};
	status_unlock(k->p->board);
	k->p->host->log(k->p->host, NBS_ERROR, "%s: %s kind=%s failures=%u next_attempt=%s", what,
	                f->text, failure_label(f->kind), k->failures,
	                when_text(when, keeper_wall() + (time_t)(wait / 1000)));
}

void keeper_recovered(struct keeper *k)
{
	k->failures = 0;
	k->not_until = 0;
	k->alarm = ALARM_NONE;
}

/* Once for each step of how pressing it becomes. */
void keeper_raise_alarm(struct keeper *k)
{
	struct nbs_host *host = k->p->host;
	char until[WHEN_SIZE], far[WHEN_SIZE];
	enum renewal_alarm alarm;
	time_t now = keeper_wall();

	if (k->cert == NULL || k->failures == 0 || k->clock_wrong)
		return;
	alarm = renewal_alarm(k->cert->not_before, k->cert->not_after, now);
	if (alarm <= k->alarm)
		return;
	k->alarm = alarm;
	when_text(until, k->cert->not_after);
	when_far(far, k->cert->not_after, now);
	if (alarm == ALARM_EXPIRED)
		host->log(host, NBS_ERROR,
		          "THE CERTIFICATE HAS EXPIRED %s: clients refuse this server until it is "
		          "renewed expired=%s failures=%u last=%s",
		          far, until, k->failures, failure_label(k->last.kind));
	else
		host->log(host, alarm == ALARM_NOW ? NBS_ERROR : NBS_WARN,
		          "the certificate expires %s and could not be renewed%s expires=%s "
		          "failures=%u last=%s",
		          far, alarm == ALARM_NOW ? ": clients will then refuse this server" : "",
		          until, k->failures, failure_label(k->last.kind));
}
