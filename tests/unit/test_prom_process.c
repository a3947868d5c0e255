/* plugins/prometheus: process_* and the count of descriptors, about this process. */
#include "../../plugins/prometheus/process.h"
#include "../../plugins/prometheus/render.h"
#include "../../plugins/prometheus/text.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct process process;
static struct text text;

static void set_up(void)
{
	cr_assert_eq(process_open(&process), 0);
}

static void tear_down(void)
{
	text_close(&text);
}

TestSuite(prom_process, .init = set_up, .fini = tear_down);

static void render_now(void)
{
	struct render r;

	text_close(&text);
	text_open(&text, 1 << 16);
	render_begin(&r, &text, FORMAT_TEXT);
	process_render(&process, &r);
	text_char(&text, '\0');
	cr_assert_eq(text.err, 0);
}

static double value(const char *name)
{
	char line[128];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", name);
	cr_assert(at = strstr(text.at, line), "no %s in:\n%s", name, text.at);
	return strtod(at + strlen(line), NULL);
}

static double now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

Test(prom_process, descriptors)
{
	struct rlimit limit;
	double before;
	int fds[40];

	render_now();
	before = value("process_open_fds");
	cr_expect_geq(before, 3);
	for (int i = 0; i < 40; i++)
		cr_assert_geq(fds[i] = dup(1), 0);
	/* As a kernel that has to be asked in the long way: what it said a while ago still holds.
	 */
	atomic_store(&process.fds.until, 0);
	render_now();
	cr_expect_float_eq(value("process_open_fds"), before + 40, 0.1);
	cr_expect_eq(open_fds_list(), (long)before + 40);
	for (int i = 0; i < 40; i++)
		close(fds[i]);
	cr_expect_eq(open_fds_list(), (long)before);
	getrlimit(RLIMIT_NOFILE, &limit);
	cr_expect_eq(value("process_max_fds"), (double)limit.rlim_cur);
}

Test(prom_process, both_ways_to_count_agree)
{
	const long asked = open_fds_ask();

	if (asked == -ENOTSUP)
		cr_skip_test("this kernel is older than 6.2");
	cr_expect_eq(asked, open_fds_list());
}

Test(prom_process, a_count_is_kept_for_a_while)
{
	struct open_fds o = {.count = 1234, .until = UINT64_MAX};

	cr_expect_eq(open_fds_keep(&o), 1234);
	o.until = 0;
	cr_expect_eq(open_fds_keep(&o), open_fds_list());
	cr_expect_eq(o.count, open_fds_list());
	cr_expect_gt(o.until, 0);
}

Test(prom_process, cpu_time_grows_by_what_is_used)
{
	double before, used;

	render_now();
	before = value("process_cpu_seconds_total");
	used = now(CLOCK_PROCESS_CPUTIME_ID);
	while (now(CLOCK_PROCESS_CPUTIME_ID) < used + 0.1)
		;
	render_now();
	cr_expect_float_eq(value("process_cpu_seconds_total"), before + 0.1, 0.05);
}

Test(prom_process, memory)
{
	const size_t size = 64u << 20;
	struct rlimit limit;
	double virtual, resident;
	char *block;

	render_now();
	virtual = value("process_virtual_memory_bytes");
	resident = value("process_resident_memory_bytes");
	block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(block, MAP_FAILED);
	memset(block, 1, size);
	render_now();
	cr_expect_float_eq(value("process_virtual_memory_bytes"), virtual + (double)size, 1 << 20);
	cr_expect_float_eq(value("process_resident_memory_bytes"), resident + (double)size,
	                   4 << 20);
	munmap(block, size);
	getrlimit(RLIMIT_AS, &limit);
	cr_expect_eq(value("process_virtual_memory_max_bytes"), (double)limit.rlim_cur);
}

static void *wait_for(void *lock)
{
	pthread_mutex_lock(lock);
	pthread_mutex_unlock(lock);
	return NULL;
}

Test(prom_process, threads)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_t threads[5];
	double before;

	render_now();
	before = value("process_threads");
	pthread_mutex_lock(&lock);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, wait_for, &lock), 0);
	render_now();
	cr_expect_float_eq(value("process_threads"), before + 5, 0.1);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
}

Test(prom_process, start_time_does_not_move)
{
	double started;

	render_now();
	started = value("process_start_time_seconds");
	cr_expect_leq(started, now(CLOCK_REALTIME) + 0.02);
	cr_expect_geq(started, now(CLOCK_REALTIME) - 60);
	render_now();
	cr_expect_eq(value("process_start_time_seconds"), started);
}

Test(prom_process, a_name_that_looks_like_fields)
{
	cr_assert_eq(prctl(PR_SET_NAME, "a) S 1 2 (b) 3"), 0);
	render_now();
	cr_expect_geq(value("process_threads"), 1);
	cr_expect_lt(value("process_threads"), 100);
	cr_expect_gt(value("process_virtual_memory_bytes"), 1 << 20);
}
