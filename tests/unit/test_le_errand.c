/* Errands of the worker to the main thread: done, refused, and ended while main waits for it. */
#include "../../plugins/letsencrypt/errand.h"

#include <netbird-signal/plugin.h>

#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

static struct nbs_host host;
static struct errand *errand;
static sem_t posted;
static void (*post_fn)(void *arg);
static void *post_arg;
static int post_result;

static int post(struct nbs_host *h, void (*fn)(void *arg), void *arg)
{
	(void)h;
	post_fn = fn;
	post_arg = arg;
	sem_post(&posted);
	return post_result;
}

static void begin(void)
{
	host = (struct nbs_host){.size = sizeof(host), .post = post};
	post_result = 0;
	sem_init(&posted, 0, 0);
	cr_assert_eq(errand_open(&errand, &host), 0);
}

static void end(void)
{
	errand_close(errand);
	sem_destroy(&posted);
}

TestSuite(errand, .init = begin, .fini = end);

static pthread_t done_by;
static unsigned calls;

static int work(void *arg)
{
	done_by = pthread_self();
	calls++;
	return *(int *)arg;
}

static void *worker(void *arg)
{
	return (void *)(intptr_t)errand_run(errand, work, arg);
}

static pthread_t start(int *arg)
{
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, worker, arg), 0);
	sem_wait(&posted);
	return thread;
}

static int join(pthread_t thread)
{
	void *result;

	cr_assert_eq(pthread_join(thread, &result), 0);
	return (int)(intptr_t)result;
}

Test(errand, main_does_it_for_the_worker)
{
	int codes[] = {0, -EINVAL, 7};

	for (size_t i = 0; i < 3; i++) {
		pthread_t thread = start(&codes[i]);

		post_fn(post_arg);
		cr_expect_eq(join(thread), codes[i]);
		cr_expect(pthread_equal(done_by, pthread_self()));
	}
	cr_expect_eq(calls, 3);
}

Test(errand, main_does_its_own_at_once)
{
	int code = -ENOENT;

	cr_expect_eq(errand_run(errand, work, &code), -ENOENT);
	errand_cancel(errand);
	cr_expect_eq(errand_run(errand, work, &code), -ENOENT);
	cr_expect_eq(calls, 2);
}

Test(errand, a_stop_ends_the_wait_and_what_main_finds_late_is_nothing)
{
	int code = 0;
	pthread_t thread = start(&code);

	errand_cancel(errand);
	cr_expect_eq(join(thread), -ECANCELED);
	post_fn(post_arg);
	cr_expect_eq(calls, 0);
}

Test(errand, after_a_stop_nothing_is_posted)
{
	int code = 0;
	pthread_t thread;

	errand_cancel(errand);
	cr_assert_eq(pthread_create(&thread, NULL, worker, &code), 0);
	cr_expect_eq(join(thread), -ECANCELED);
	cr_expect_null(post_fn);
}

Test(errand, a_post_that_fails_is_its_error)
{
	int code = 0;

	post_result = -ENOMEM;
	cr_expect_eq(join(start(&code)), -ENOMEM);
	post_result = 0;
	pthread_t thread = start(&code);
	post_fn(post_arg);
	cr_expect_eq(join(thread), 0);
}
