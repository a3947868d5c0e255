/*
 * What the tests of plugins/letsencrypt have in common: a folder of their own, a host that keeps
 * what is logged and registered, and commands whose output is looked at.
 */
#ifndef LE_CASE_H
#define LE_CASE_H

#include <netbird-signal/plugin.h>

#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

/* --- a folder -------------------------------------------------------------------------------- */
static char case_dir[64];

UNUSED static void case_make_dir(void)
{
	snprintf(case_dir, sizeof(case_dir), "/tmp/nbs-le-XXXXXX");
	cr_assert(mkdtemp(case_dir) != NULL);
}

/* The output of a command; its status has to be 0. */
UNUSED static char *case_output(const char *fmt, ...) NBS_PRINTF(1, 2);
UNUSED static char *case_output(const char *fmt, ...)
{
	static char out[65536];
	char command[4096];
	va_list ap;
	FILE *f;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	cr_assert((f = popen(command, "r")) != NULL);
	n = fread(out, 1, sizeof(out) - 1, f);
	out[n] = '\0';
	cr_assert_eq(pclose(f), 0, "%s: %s", command, out);
	return out;
}

UNUSED static void case_remove_dir(void)
{
	case_output("rm -rf %s", case_dir);
}

/* A file in the folder; the name is good until the next call. */
UNUSED static const char *case_write(const char *name, mode_t mode, const void *bytes, size_t len)
{
	static char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", case_dir, name);
	cr_assert((f = fopen(path, "w")) != NULL, "%s", path);
	cr_assert_eq(fwrite(bytes, 1, len, f), len);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(chmod(path, mode), 0);
	return path;
}

UNUSED static int64_t case_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Waits until something is so, and fails after 20 s. */
#define CASE_UNTIL(condition)                                                    \
	do {                                                                     \
		int64_t until_ = case_now() + 20000;                             \
		while (!(condition)) {                                           \
			cr_assert(case_now() < until_, "never: %s", #condition); \
			nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); \
		}                                                                \
	} while (0)

/* --- a host ---------------------------------------------------------------------------------- */
static struct {
	struct nbs_host table;
	pthread_mutex_t lock;
	char log[65536]; /* "level line\n" each, 0 error to 3 debug */
	unsigned lines;
	const struct nbs_route *route;
	void *route_arg;
	int route_error;
} case_host = {.lock = PTHREAD_MUTEX_INITIALIZER};

UNUSED static bool case_logged(const char *text)
{
	bool there;

	pthread_mutex_lock(&case_host.lock);
	there = strstr(case_host.log, text) != NULL;
	pthread_mutex_unlock(&case_host.lock);
	return there;
}

static void case_log(struct nbs_host *, enum nbs_level, const char *, ...) NBS_PRINTF(3, 4);
static void case_log(struct nbs_host *h, enum nbs_level level, const char *fmt, ...)
{
	size_t at;
	va_list ap;

	(void)h;
	pthread_mutex_lock(&case_host.lock);
	at = strlen(case_host.log);
	at += (size_t)snprintf(case_host.log + at, sizeof(case_host.log) - at, "%d ", (int)level);
	va_start(ap, fmt);
	vsnprintf(case_host.log + at, sizeof(case_host.log) - at - 1, fmt, ap);
	va_end(ap);
	strcat(case_host.log, "\n");
	case_host.lines++;
	pthread_mutex_unlock(&case_host.lock);
}

static int case_log_enabled(struct nbs_host *h, enum nbs_level level)
{
	(void)h;
	(void)level;
	return 1;
}

static int case_route_register(struct nbs_host *h, const struct nbs_route *route, void *arg)
{
	(void)h;
	case_host.route = route;
	case_host.route_arg = arg;
	return case_host.route_error;
}

UNUSED static struct nbs_host *case_host_open(void)
{
	case_host.log[0] = '\0';
	case_host.lines = 0;
	case_host.table = (struct nbs_host){.size = sizeof(struct nbs_host),
	                                    .abi = NBS_ABI,
	                                    .log = case_log,
	                                    .log_enabled = case_log_enabled,
	                                    .route_register = case_route_register};
	return &case_host.table;
}

#endif
