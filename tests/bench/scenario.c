/* scenario.c - which phases follow each other, and what is printed of them; see scenario.h. */
#include "scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "run.h"

/* What one server does before the other has its turn. */
#define JOIN_SLICE 200
#define SEND_SLICE 2000
#define ACCEPT_SLICE 64

static const double quantiles[] = {0.5, 0.99, 0.999};

/* --- reports -------------------------------------------------------------------------------- */

static void report_joined(const struct run *run)
{
	printf("%-32s %12u   (%s)\n", "peers", run->joined, run->transport);
	printf("%-32s %12.0f\n", "registrations/s", run_joins_per_s(run));
	printf("%-32s %12.1f\n", "CPU us / registration", run_join_cpu_us(run));
	printf("%-32s %12.1f\n", "KiB / idle peer", run_kib(run, &run->idle));
}

static void report_sent(const struct run *run)
{
	double total = (double)(run->sending.user_ms + run->sending.system_ms);

	printf("%-32s %12" PRIu64 "\n", "messages", run->sent);
	printf("%-32s %12zu\n", "bytes of a body", run->sc->swarm.body);
	printf("%-32s %12.0f\n", "messages/s", run_sends_per_s(run));
	printf("%-32s %12.2f   (%.0f %% user)\n", "CPU us / message", run_send_cpu_us(run),
	       total > 0 ? 100 * (double)run->sending.user_ms / total : 0);
	printf("%-32s %12.2f\n", "this generator's own",
	       (double)run->own_cpu_ns / 1e3 / (double)run->sent);
	printf("%-32s %12.0f %.0f %.0f\n", "latency us p50 p99 p99.9",
	       run_latency_us(run, quantiles[0]), run_latency_us(run, quantiles[1]),
	       run_latency_us(run, quantiles[2]));
}

static void report_left(const struct run *run)
{
	printf("%-32s %12.1f\n", "KiB / departed peer", run_kib(run, &run->left));
	printf("%-32s %12.2f\n", "seconds until within the limit", run->left_s);
}

static void result_joined(const struct run *run, const char *scenario)
{
	printf("result scenario=%s pid=%d transport=%s peers=%u registrations_per_s=%.0f"
	       " cpu_us_per_registration=%.2f kib_per_idle_peer=%.2f rss_start_kib=%" PRIu64,
	       scenario, (int)run->proc.pid, run->transport, run->joined, run_joins_per_s(run),
	       run_join_cpu_us(run), run_kib(run, &run->idle), run->start.rss_kib);
}

static void result_sent(const struct run *run)
{
	printf(" messages=%" PRIu64 " body=%zu messages_per_s=%.0f cpu_us_per_message=%.3f"
	       " own_cpu_us_per_message=%.3f p50_us=%.0f p99_us=%.0f p999_us=%.0f",
	       run->sent, run->sc->swarm.body, run_sends_per_s(run), run_send_cpu_us(run),
	       (double)run->own_cpu_ns / 1e3 / (double)run->sent, run_latency_us(run, quantiles[0]),
	       run_latency_us(run, quantiles[1]), run_latency_us(run, quantiles[2]));
}

static void result_left(const struct run *run)
{
	printf(" rss_left_kib=%" PRIu64 " kib_per_departed_peer=%.2f left_s=%.2f",
	       run->left.rss_kib, run_kib(run, &run->left), run->left_s);
}

/* --- the scenarios -------------------------------------------------------------------------- */

/* Whose turn it is: A B B A A B B A ..., so that a steady drift falls on both. */
static struct run *turn(struct run *runs, unsigned n, unsigned number)
{
	return &runs[n == 1 ? 0 : (number + 1) / 2 % 2];
}

/* Until each server has as many peers as `upto` says, and is quiet. */
static int join_upto(struct run *runs, unsigned n, const unsigned *upto, unsigned slice)
{
	unsigned left = 0, number = 0, count;
	struct run *run;
	int r;

	for (unsigned i = 0; i < n; i++)
		left += upto[i] - runs[i].joined;
	while (left > 0) {
		run = turn(runs, n, number++);
		count = upto[run - runs] - run->joined;
		if (count > slice)
			count = slice;
		if (count > 0 && (r = run_join(run, count)) < 0)
			return r;
		left -= count;
	}
	for (unsigned i = 0; i < n; i++)
		if ((r = run_settle(&runs[i], &runs[i].idle)) < 0)
			return r;
	return 0;
}

static int join_in_turns(struct run *runs, unsigned n)
{
	const unsigned upto[SCENARIO_SERVERS] = {runs->sc->swarm.peers, runs->sc->swarm.peers};

	return join_upto(runs, n, upto, JOIN_SLICE);
}

static int send_in_turns(struct run *runs, unsigned n)
{
	uint64_t most_ns = runs->sc->at_most_ms * 1000000, messages = runs->sc->messages, slice;
	struct run *run;
	int r;

	for (unsigned i = 0; i < n; i++)
		if ((r = run_greet(&runs[i])) < 0)
			return r;
	for (unsigned number = 0;
	     number % (2 * n) != 0 || (runs[0].sent < messages && runs[0].sent_ns < most_ns);
	     number++) {
		run = turn(runs, n, number);
		slice = messages - run->sent < SEND_SLICE ? messages - run->sent : SEND_SLICE;
		if (slice > 0 && (r = run_send(run, slice, runs->sc->at_most_ms)) < 0)
			return r;
	}
	for (unsigned i = 0; i < n; i++)
		if ((r = procfs_read(&runs[i].proc, &runs[i].loaded)) < 0)
			return r;
	return 0;
}

static int measure(struct run *runs, unsigned n)
{
	int r;

	if ((r = join_in_turns(runs, n)) < 0 || (r = send_in_turns(runs, n)) < 0)
		return r;
	for (unsigned i = 0; i < n; i++) {
		report_joined(&runs[i]);
		report_sent(&runs[i]);
		printf("%-32s %12.1f %.1f %.1f\n", "RSS MiB start, idle, loaded",
		       (double)runs[i].start.rss_kib / 1024, (double)runs[i].idle.rss_kib / 1024,
		       (double)runs[i].loaded.rss_kib / 1024);
		result_joined(&runs[i], "measure");
		result_sent(&runs[i]);
		printf(" rss_loaded_kib=%" PRIu64 "\n", runs[i].loaded.rss_kib);
	}
	return 0;
}

static int hold(struct run *run, unsigned n)
{
	struct procfs_use held;
	int r;

	if ((r = join_in_turns(run, n)) < 0 || (r = swarm_wait(run->swarm, run->sc->hold_ms)) < 0 ||
	    (r = procfs_read(&run->proc, &held)) < 0 || (r = run_greet(run)) < 0 ||
	    (r = run_leave(run)) < 0)
		return r;
	report_joined(run);
	printf("%-32s %12.1f\n", "the same after the wait", run_kib(run, &held));
	printf("%-32s %12.3f\n", "CPU % while idle",
	       (double)(held.cpu_ns - run->idle.cpu_ns) / 1e4 / (run->sc->hold_ms + 1));
	report_left(run);
	result_joined(run, "hold");
	printf(" hold_ms=%u kib_per_held_peer=%.2f", run->sc->hold_ms, run_kib(run, &held));
	result_left(run);
	printf("\n");
	return 0;
}

/* Each round counts from the memory that the server had before the first. */
static int one_round(struct run *run, unsigned number)
{
	int r;

	if ((r = join_in_turns(run, 1)) < 0 || (r = send_in_turns(run, 1)) < 0 ||
	    (r = run_leave(run)) < 0)
		return r;
	result_joined(run, "round");
	printf(" round=%u", number);
	result_sent(run);
	result_left(run);
	printf("\n");
	return 0;
}

static int rounds(struct run *run, unsigned n)
{
	uint64_t start_kib = run->start.rss_kib;
	int r;

	(void)n;
	for (unsigned i = 1; i <= run->sc->rounds; i++) {
		if ((r = one_round(run, i)) < 0)
			return r;
		run_forget(run);
		if ((r = run_settle(run, &run->start)) < 0)
			return r;
		run->start.rss_kib = start_kib;
	}
	return 0;
}

/* What it cost the server of `run` that peers joined, since it had `start`. */
static double accept_cpu_us(const struct run *run, const struct procfs_use *start)
{
	return (double)(run->idle.cpu_ns - start->cpu_ns) / 1e3 / run->sc->window;
}

static void report_accept(const struct run *runs, const unsigned *middle, const double *cpu_us)
{
	double early = runs[0].sc->window * 1e9 / (double)runs[0].join_ns;
	double late = runs[1].sc->window * 1e9 / (double)runs[1].join_ns;

	printf("%-32s %12u %u   (%s)\n", "peers", middle[0], middle[1], runs->transport);
	printf("%-32s %12.0f %.0f\n", "registrations/s", early, late);
	printf("%-32s %12.1f %.1f\n", "CPU us / registration", cpu_us[0], cpu_us[1]);
	printf("result scenario=accept transport=%s early=%u late=%u window=%u early_per_s=%.0f"
	       " late_per_s=%.0f late_to_early=%.3f early_cpu_us=%.1f late_cpu_us=%.1f\n",
	       runs->transport, middle[0], middle[1], runs->sc->window, early, late, late / early,
	       cpu_us[0], cpu_us[1]);
}

static int accept_in_turns(struct run *runs, unsigned n)
{
	const struct scenario *sc = runs->sc;
	unsigned half = sc->window / 2, middle[] = {sc->early, sc->swarm.peers - half};
	unsigned upto[] = {middle[0] - half, middle[1] - half};
	struct procfs_use start[SCENARIO_SERVERS];
	double cpu_us[SCENARIO_SERVERS];
	int r;

	if ((r = join_upto(runs, n, upto, JOIN_SLICE)) < 0)
		return r;
	for (unsigned i = 0; i < n; i++) {
		start[i] = runs[i].idle;
		runs[i].join_ns = 0;
		upto[i] += sc->window;
	}
	if ((r = join_upto(runs, n, upto, ACCEPT_SLICE)) < 0)
		return r;
	for (unsigned i = 0; i < n; i++)
		cpu_us[i] = accept_cpu_us(&runs[i], &start[i]);
	report_accept(runs, middle, cpu_us);
	return 0;
}

static int run_scenario(const struct scenario *sc, int (*body)(struct run *runs, unsigned n))
{
	static struct run runs[SCENARIO_SERVERS];
	unsigned n = 0;
	int r = 0;

	while (n < sc->n_servers && (r = run_open(&runs[n], sc, &sc->servers[n])) == 0)
		n++;
	if (r == 0)
		r = body(runs, n);
	while (n > 0)
		run_close(&runs[--n]);
	return r;
}

static int run_one(const struct scenario *sc, int (*body)(struct run *runs, unsigned n))
{
	if (sc->n_servers == 1)
		return run_scenario(sc, body);
	fprintf(stderr, "loadgen: this scenario takes one server\n");
	return -EINVAL;
}

int scenario_measure(const struct scenario *sc)
{
	return run_scenario(sc, measure);
}

int scenario_hold(const struct scenario *sc)
{
	return run_one(sc, hold);
}

int scenario_rounds(const struct scenario *sc)
{
	return run_one(sc, rounds);
}

int scenario_accept(const struct scenario *sc)
{
	struct scenario wider = *sc;

	if (sc->n_servers != 2 || sc->early < sc->window / 2 || sc->swarm.peers < sc->early) {
		fprintf(stderr, "loadgen: accept takes two servers, and early from half a window"
		                " to all peers\n");
		return -EINVAL;
	}
	wider.swarm.peers += sc->window / 2;
	return run_scenario(&wider, accept_in_turns);
}
