/*
 * C core as a library of this process.  grpc_shutdown() waits for a thread of C core's that polls
 * for up to ten seconds after a write was stuck, so it is not waited for beyond a bound.
 */
#include "library.h"

#include "core.h"
#include "deadline.h"

#include <netbird-signal/plugin.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 200

/* Of one grpc_shutdown(); freed by whoever is the second to let go. */
struct shutdown {
	sem_t done;
	atomic_int refs;
};

static struct nbs_host *log_host;
static pthread_rwlock_t log_lock = PTHREAD_RWLOCK_INITIALIZER; /* of log_host */

/* Most of what C core calls an error any client can cause, as often as it likes: such lines are
 * for debugging.  A failed assertion is what it says, and the last line before abort(). */
static void write_log(gpr_log_func_args *line)
{
	enum nbs_level level = strstr(line->message, "assertion failed") ? NBS_ERROR : NBS_DEBUG;
	const char *file = strrchr(line->file, '/');

	pthread_rwlock_rdlock(&log_lock);
	if (log_host != NULL && log_host->log_enabled(log_host, level))
		log_host->log(log_host, level, "core: %s at=%s:%d", line->message,
		              file != NULL ? file + 1 : line->file, line->line);
	pthread_rwlock_unlock(&log_lock);
}

static void set_log(struct nbs_host *host)
{
	pthread_rwlock_wrlock(&log_lock);
	log_host = host;
	pthread_rwlock_unlock(&log_lock);
}

void library_open(struct nbs_host *host)
{
	set_log(host);
	gpr_set_log_function(write_log);
	grpc_init();
}

static void let_go(struct shutdown *s)
{
	if (atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	sem_destroy(&s->done);
	free(s);
}

static void *shut_down(void *arg)
{
	struct shutdown *s = arg;

	grpc_shutdown();
	sem_post(&s->done);
	let_go(s);
	return NULL;
}

static void wait_done(struct shutdown *s)
{
	struct timespec until;

	deadline_after(&until, CLOCK_MONOTONIC, PATIENCE_MS);
	while (sem_clockwait(&s->done, CLOCK_MONOTONIC, &until) < 0 && errno == EINTR)
		;
}

void library_close(void)
{
	struct shutdown *s = calloc(1, sizeof(*s));
	pthread_t thread;

	set_log(NULL);
	if (s == NULL)
		return;
	sem_init(&s->done, 0, 0);
	atomic_init(&s->refs, 2);
	if (pthread_create(&thread, NULL, shut_down, s) == 0) {
		pthread_detach(thread);
		wait_done(s);
	} else {
		let_go(s);
	}
	let_go(s);
}
