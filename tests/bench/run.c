/* run.c - the phases of a measurement on one server; see run.h. */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define QUIET_STEP_MS 100
#define QUIET_NS UINT64_C(1000000) /* CPU in a step that does not count as work: 1 % */
#define QUIET_STEPS 100
#define LEAVE_STEP_MS 250
#define LEAVE_STABLE_MS 3000 /* memory has fallen as far as it will */

static uint64_t own_cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000u;
}

int run_open(struct run *run, const struct scenario *sc, const struct scenario_server *server)
{
	struct swarm_options opt = sc->swarm;
	int r;

	memset(run, 0, sizeof(*run));
	run->sc = sc;
	run->transport = peer_transport_name(server->target.transport);
	opt.target = server->target;
	if ((r = procfs_open(&run->proc, server->pid)) < 0 ||
	    (r = swarm_new(&run->swarm, &opt)) < 0)
		return r;
	if ((r = run_settle(run, &run->start)) < 0)
		run_close(run);
	return r;
}

void run_close(struct run *run)
{
	swarm_free(run->swarm);
	run->swarm = NULL;
}

int run_settle(struct run *run, struct procfs_use *use)
{
	struct procfs_use before, after;
	int r;

	for (int i = 0; i < QUIET_STEPS; i++) {
		if ((r = procfs_cpu(&run->proc, &before)) < 0 ||
		    (r = swarm_wait(run->swarm, QUIET_STEP_MS)) < 0 ||
		    (r = procfs_cpu(&run->proc, &after)) < 0)
			return r;
		if (after.cpu_ns - before.cpu_ns < QUIET_NS)
			return procfs_read(&run->proc, use);
	}
	fprintf(stderr, "loadgen: process %d uses CPU without having anything to do\n",
	        (int)run->proc.pid);
	return -ETIMEDOUT;
}

int run_join(struct run *run, unsigned count)
{
	struct swarm_result res;
	int r;

	if ((r = swarm_join(run->swarm, run->joined + count, &res)) < 0)
		return r;
	run->joined += count;
	run->join_ns += res.ns;
	return 0;
}

int run_greet(struct run *run)
{
	struct swarm_load load = {
	    .pairs = SWARM_SELF,
	    .messages = run->joined,
	    .at_most_ms = run->sc->at_most_ms,
	};
	struct swarm_result res;
	int r;

	r = swarm_send(run->swarm, &load, &run->latency, &res);
	hist_reset(&run->latency);
	if (r < 0)
		return r;
	if (res.done == load.messages)
		return 0;
	fprintf(stderr, "loadgen: only %" PRIu64 " of %" PRIu64 " peers had time for a message\n",
	        res.done, load.messages);
	return -ETIMEDOUT;
}

int run_send(struct run *run, uint64_t messages, uint64_t at_most_ms)
{
	struct swarm_load load = {
	    .pairs = SWARM_RANDOM,
	    .messages = messages,
	    .at_most_ms = at_most_ms,
	};
	uint64_t own = own_cpu_ns();
	struct procfs_use before, after;
	struct swarm_result res;
	int r;

	if ((r = procfs_cpu(&run->proc, &before)) < 0 ||
	    (r = swarm_send(run->swarm, &load, &run->latency, &res)) < 0 ||
	    (r = procfs_cpu(&run->proc, &after)) < 0)
		return r;
	run->own_cpu_ns += own_cpu_ns() - own;
	run->sending.cpu_ns += after.cpu_ns - before.cpu_ns;
	run->sending.user_ms += after.user_ms - before.user_ms;
	run->sending.system_ms += after.system_ms - before.system_ms;
	run->sent += res.done;
	run->sent_ns += res.ns;
	return 0;
}

int run_leave(struct run *run)
{
	uint64_t goal = run->start.rss_kib + (uint64_t)run->joined * run->sc->leave_kib;
	uint64_t lowest = UINT64_MAX;
	unsigned stable = 0;
	int r;

	run->left_s = -1;
	swarm_leave(run->swarm);
	for (unsigned ms = 0; ms <= run->sc->leave_ms; ms += LEAVE_STEP_MS) {
		if ((r = swarm_wait(run->swarm, LEAVE_STEP_MS)) < 0 ||
		    (r = procfs_read(&run->proc, &run->left)) < 0)
			return r;
		if (run->left.rss_kib <= goal && run->left_s < 0)
			run->left_s = (ms + LEAVE_STEP_MS) / 1e3;
		stable = run->left.rss_kib < lowest ? 0 : stable + LEAVE_STEP_MS;
		lowest = run->left.rss_kib < lowest ? run->left.rss_kib : lowest;
		if (run->left.rss_kib <= goal && stable >= LEAVE_STABLE_MS)
			break;
	}
	return 0;
}

void run_forget(struct run *run)
{
	run->joined = 0;
	run->join_ns = run->sent = run->sent_ns = run->own_cpu_ns = 0;
	memset(&run->sending, 0, sizeof(run->sending));
	hist_reset(&run->latency);
}

double run_kib(const struct run *run, const struct procfs_use *use)
{
	return ((double)use->rss_kib - (double)run->start.rss_kib) / run->joined;
}

double run_join_cpu_us(const struct run *run)
{
	return (double)(run->idle.cpu_ns - run->start.cpu_ns) / 1e3 / run->joined;
}

double run_joins_per_s(const struct run *run)
{
	return run->joined * 1e9 / (double)run->join_ns;
}

double run_send_cpu_us(const struct run *run)
{
	return (double)run->sending.cpu_ns / 1e3 / (double)run->sent;
}

double run_sends_per_s(const struct run *run)
{
	return (double)run->sent * 1e9 / (double)run->sent_ns;
}

double run_latency_us(const struct run *run, double quantile)
{
	return (double)hist_quantile(&run->latency, quantile) / 1e3;
}
