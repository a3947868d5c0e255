/* One child at a time, waited for by its own pid: nothing else of the process is disturbed. */
#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES 400
#define LINES_MAX 20                  /* in the log for one call */
#define OUTPUT_MAX (16 * 1024 * 1024) /* after which it is taken for a runaway */
#define LOOK_MS 50                    /* how often, where there is no pidfd */
#define TERM_MS 1000                  /* between SIGTERM and SIGKILL */
#define KILL_MS 5000                  /* for the kernel to end it; it may wait for a disk */

struct output {
	int fd;
	enum nbs_level level;
	char line[LINE_MAX_BYTES + 1];
	size_t len;
};

struct run {
	const struct hook *hook;
	pid_t pid;
	int pidfd; /* readable when it has ended; -1: this kernel has none */
	struct output out[2];
	char last[LINE_MAX_BYTES + 1]; /* what it said last, on standard error if anything */
	bool complained;
	unsigned lines;
	size_t bytes;
};

/* --- its output ------------------------------------------------------------------------------ */
static void take_line(struct run *run, struct output *out)
{
	struct nbs_host *host = run->hook->host;

	out->line[out->len] = '\0';
	if (out->len > 0) {
		if (out->level == NBS_WARN || !run->complained)
			memcpy(run->last, out->line, out->len + 1);
		run->complained |= out->level == NBS_WARN;
		if (++run->lines <= LINES_MAX)
			host->log(host, out->level, "%s says: %s", run->hook->name, out->line);
	}
	out->len = 0;
}

static void take_bytes(struct run *run, struct output *out, const char *bytes, size_t n)
{
	run->bytes += n;
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n')
			take_line(run, out);
		else if (out->len < LINE_MAX_BYTES && bytes[i] != '\r')
			out->line[out->len++] = bytes[i];
	}
}

/* What is there, once; false when there is nothing. */
static bool read_some(struct run *run, struct output *out)
{
	char bytes[4096];
	ssize_t n;

	if (out->fd < 0)
		return false;
	n = read(out->fd, bytes, sizeof(bytes));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		close(out->fd);
		out->fd = -1;
		return false;
	}
	take_bytes(run, out, bytes, (size_t)n);
	return true;
}

/* What the pipes still hold when it has ended; whoever else holds them is not waited for. */
static void finish_output(struct run *run)
{
	struct nbs_host *host = run->hook->host;

	for (size_t i = 0; i < 2; i++) {
		for (int n = 0; n < PIPE_BUF && read_some(run, &run->out[i]); n++)
			;
		take_line(run, &run->out[i]);
		if (run->out[i].fd >= 0)
			close(run->out[i].fd);
	}
	if (run->lines > LINES_MAX)
		host->log(host, NBS_WARN, "%s left_out=%u more lines", run->hook->name,
		          run->lines - LINES_MAX);
}

/* --- its start ------------------------------------------------------------------------------- */
/* A pipe whose ends cannot be mistaken for standard descriptors, should one of those be closed. */
static int open_pipe(int ends[2])
{
	int low[2];

	if (pipe2(low, O_CLOEXEC) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		ends[i] = low[i] > 2 ? low[i] : fcntl(low[i], F_DUPFD_CLOEXEC, 3);
		if (ends[i] != low[i])
			close(low[i]);
	}
	if (ends[0] >= 0 && ends[1] >= 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		if (ends[i] >= 0)
			close(ends[i]);
	}
	return -EMFILE;
}

static int set_actions(posix_spawn_file_actions_t *actions, int out, int err)
{
	int e;

	if ((e = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0)) != 0 ||
	    (e = posix_spawn_file_actions_adddup2(actions, out, 1)) != 0 ||
	    (e = posix_spawn_file_actions_adddup2(actions, err, 2)) != 0 ||
	    (e = posix_spawn_file_actions_addclosefrom_np(actions, 3)) != 0)
		return -e;
	return -posix_spawn_file_actions_addchdir_np(actions, "/");
}

/* No signal is blocked or ignored there; a session is a process group and has no terminal. */
static int set_attributes(posix_spawnattr_t *attr)
{
	const short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID;
	sigset_t none, all;
	int e;

	sigemptyset(&none);
	sigfillset(&all);
	if ((e = posix_spawnattr_setsigmask(attr, &none)) != 0 ||
	    (e = posix_spawnattr_setsigdefault(attr, &all)) != 0)
		return -e;
	return -posix_spawnattr_setflags(attr, flags);
}

/* Of the user that the daemon has become, not of the one who started it. */
static void find_home(char *home, size_t size)
{
	struct passwd pw, *found = NULL;
	char bytes[4096];

	if (getpwuid_r(geteuid(), &pw, bytes, sizeof(bytes), &found) != 0 || found == NULL ||
	    found->pw_dir[0] != '/')
		snprintf(home, size, "HOME=/");
	else
		snprintf(home, size, "HOME=%s", found->pw_dir);
}

static int spawn(struct run *run, posix_spawn_file_actions_t *actions, posix_spawnattr_t *attr)
{
	const char *from = getenv("PATH");
	char path[4096], home[1024];
	char *env[] = {path, home, NULL};

	snprintf(path, sizeof(path), "PATH=%s",
	         from != NULL && *from != '\0'
	             ? from
	             : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	find_home(home, sizeof(home));
	/* POSIX declares the arguments without const, but does not change them. */
	return -posix_spawn(&run->pid, run->hook->argv[0], actions, attr,
	                    (char *const *)run->hook->argv, env);
}

static int spawn_with(struct run *run, int out, int err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int r;

	if ((r = -posix_spawn_file_actions_init(&actions)) < 0)
		return r;
	if ((r = -posix_spawnattr_init(&attr)) == 0) {
		if ((r = set_actions(&actions, out, err)) == 0 && (r = set_attributes(&attr)) == 0)
			r = spawn(run, &actions, &attr);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

static int start(struct run *run)
{
	int out[2] = {-1, -1}, err[2] = {-1, -1}, r;

	if ((r = open_pipe(out)) < 0)
		return r;
	if ((r = open_pipe(err)) < 0)
		goto err0;
	r = spawn_with(run, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	if (r < 0)
		goto err1;
	run->out[0] = (struct output){.fd = out[0], .level = NBS_INFO};
	run->out[1] = (struct output){.fd = err[0], .level = NBS_WARN};
	run->pidfd = pidfd_open(run->pid, 0);
	return 0;
err1:
	close(err[0]);
	close(out[0]);
	return r;
err0:
	close(out[0]);
	close(out[1]);
	return r;
}

/* --- its end --------------------------------------------------------------------------------- */
/* It is not reaped here: its pid, and so the number of its group, stays its own. */
static bool has_ended(const struct run *run)
{
	siginfo_t si = {.si_pid = 0};

	return waitid(P_PID, (id_t)run->pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	       si.si_pid != 0;
}

/* Waits for something to happen, at most until `until`. */
static void look(struct run *run, int64_t until, bool heed_cancel)
{
	struct pollfd p[] = {{.fd = run->out[0].fd, .events = POLLIN},
	                     {.fd = run->out[1].fd, .events = POLLIN},
	                     {.fd = run->pidfd, .events = POLLIN},
	                     {.fd = heed_cancel ? run->hook->cancel->fd : -1, .events = POLLIN}};
	int left = cancel_left(until);

	if (run->pidfd < 0 && left > LOOK_MS)
		left = LOOK_MS;
	poll(p, sizeof(p) / sizeof(p[0]), left);
	read_some(run, &run->out[0]);
	read_some(run, &run->out[1]);
}

/* 0: it ended by itself; otherwise why it has to be ended. */
static int wait_for(struct run *run)
{
	const struct hook *hook = run->hook;
	int64_t until = cancel_now() + hook->timeout;
	bool canceled = false;

	while (!has_ended(run)) {
		if (!canceled && cancel_is_set(hook->cancel)) {
			canceled = true;
			if (until > cancel_since(hook->cancel) + hook->grace)
				until = cancel_since(hook->cancel) + hook->grace;
		}
		if (cancel_left(until) == 0)
			return canceled ? -ECANCELED : -ETIMEDOUT;
		if (run->bytes > OUTPUT_MAX)
			return -EFBIG;
		look(run, until, !canceled);
	}
	return 0;
}

/* With all that it has started in its group, which may outlive it. */
static void end(struct run *run)
{
	int64_t until = cancel_now() + TERM_MS;

	kill(-run->pid, SIGTERM);
	while (!has_ended(run) && cancel_left(until) > 0)
		look(run, until, false);
	kill(-run->pid, SIGKILL);
	until = cancel_now() + KILL_MS;
	while (!has_ended(run) && cancel_left(until) > 0)
		look(run, until, false);
}

static int tell(const struct run *run, int r, int status, char *why, size_t size)
{
	const char *colon = run->last[0] != '\0' ? ": " : "";

	if (r == -ETIMEDOUT)
		snprintf(why, size, "did not end within %lld s%s%s",
		         (long long)(run->hook->timeout / 1000), colon, run->last);
	else if (r == -ECANCELED)
		snprintf(why, size, "ended because the daemon stops");
	else if (r == -EFBIG)
		snprintf(why, size, "ended because it wrote more than %d MiB%s%s",
		         OUTPUT_MAX / 1024 / 1024, colon, run->last);
	else if (r < 0)
		snprintf(why, size, "its exit status is lost: %s", strerror(-r));
	else if (WIFSIGNALED(status))
		snprintf(why, size, "killed by signal %d%s%s", WTERMSIG(status), colon, run->last);
	else
		snprintf(why, size, "exit status %d%s%s", WEXITSTATUS(status), colon, run->last);
	if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		return -EIO;
	return r;
}

/* There is no time left for it. */
static bool is_late(const struct hook *hook)
{
	return cancel_is_set(hook->cancel) &&
	       cancel_left(cancel_since(hook->cancel) + hook->grace) == 0;
}

int hook_run(const struct hook *hook, char *why, size_t size)
{
	struct run run = {.hook = hook};
	int r, status = 0;

	if (is_late(hook)) {
		snprintf(why, size, "not run because the daemon stops");
		return -ECANCELED;
	}
	if ((r = start(&run)) < 0) {
		snprintf(why, size, "cannot be run: %s", strerror(-r));
		return r;
	}
	if ((r = wait_for(&run)) < 0)
		end(&run);
	finish_output(&run);
	if (run.pidfd >= 0)
		close(run.pidfd);
	/* WNOHANG: if even SIGKILL has not ended it, it stays as it is. */
	if (waitpid(run.pid, &status, WNOHANG) < 0 && r == 0)
		r = -errno;
	return tell(&run, r, status, why, size);
}
