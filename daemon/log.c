/*
 * The log's lines: made on the writer's stack, escaped, bounded, and given to the kernel in one
 * write.  Writers take no lock: a rotation puts the new file under the same descriptor number.
 */
#include "log.h"
#include "log_file.h"
#include "printable.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 10000
/* What a line must have room for after its text: "...", " suppressed=N" and the newline. */
#define TAIL 40

struct line {
	char text[LOG_LINE_MAX];
	size_t len;
};

static atomic_int log_fd = -1;
static atomic_int threshold = NBS_INFO;
static atomic_bool echo = true;
static atomic_bool torn; /* the last line in the file lacks its end */
static _Atomic uint64_t lost;
static atomic_bool log_socket;
static atomic_bool console;
static char *log_name;

static const char level_names[][6] = {"ERROR", "WARN ", "INFO ", "DEBUG"};

/* Appends escaped text, leaving TAIL bytes; false when it had to be cut. */
static bool add(struct line *l, const char *s, size_t n)
{
	while (n > 0) {
		size_t len = printable_length(s, n), room = len ? len : 4;

		if (l->len + room > sizeof(l->text) - TAIL)
			return false;
		if (len > 0)
			memcpy(l->text + l->len, s, len);
		else
			snprintf(l->text + l->len, 5, "\\x%02x", (unsigned char)*s);
		l->len += room;
		s += len ? len : 1;
		n -= len ? len : 1;
	}
	return true;
}

/* Appends our own text into what add() left. */
static void add_tail(struct line *l, const char *s)
{
	size_t n = strnlen(s, sizeof(l->text) - l->len);

	memcpy(l->text + l->len, s, n);
	l->len += n;
}

static void add_time(struct line *l)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	l->len += strftime(l->text + l->len, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	l->len += (size_t)snprintf(l->text + l->len, 8, ".%03uZ ",
	                           (unsigned)(now.tv_nsec / 1000000) % 1000);
}

static void add_text(struct line *l, const char *part, const char *text, uint64_t suppressed)
{
	char tail[TAIL];

	if (part) {
		add(l, part, strnlen(part, 64));
		add(l, ": ", 2);
	}
	if (!add(l, text, strlen(text)))
		add_tail(l, "...");
	if (suppressed > 0) {
		snprintf(tail, sizeof(tail), " suppressed=%" PRIu64, suppressed);
		add_tail(l, tail);
	}
	add_tail(l, "\n");
}

/* One system call for the whole line: a rest sent later could land behind another's line. */
static ssize_t put(int fd, bool is_socket, const struct line *l)
{
	ssize_t n;

	do {
		n = is_socket ? send(fd, l->text, l->len, MSG_DONTWAIT | MSG_NOSIGNAL)
		              : write(fd, l->text, l->len);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* Whether the whole line is in the log. */
static bool put_whole(int fd, const struct line *l)
{
	ssize_t n = put(fd, atomic_load(&log_socket), l);

	if (n > 0 && (size_t)n < l->len)
		atomic_store(&torn, true);
	return n == (ssize_t)l->len;
}

static void put_lost(int fd)
{
	uint64_t n = atomic_exchange(&lost, 0);
	struct line l;
	char text[64];

	if (n == 0)
		return;
	l.len = 0;
	snprintf(text, sizeof(text), "lines could not be written lost=%" PRIu64, n);
	add_time(&l);
	add_tail(&l, "WARN  ");
	add_text(&l, "log", text, 0);
	if (!put_whole(fd, &l))
		atomic_fetch_add(&lost, n);
}

static void put_log(int fd, enum nbs_level level, const char *part, const char *text,
                    uint64_t suppressed)
{
	struct line l;
	bool mend = atomic_exchange(&torn, false);

	l.len = 0;
	if (mend)
		add_tail(&l, "\n");
	add_time(&l);
	add_tail(&l, level_names[level]);
	add_tail(&l, " ");
	add_text(&l, part, text, suppressed);
	if (put_whole(fd, &l)) {
		put_lost(fd);
		return;
	}
	atomic_fetch_add(&lost, 1);
	if (mend)
		atomic_store(&torn, true);
}

static void put_stderr(enum nbs_level level, const char *part, const char *text)
{
	struct line l;

	l.len = 0;
	add_tail(&l, "netbird-signal: ");
	if (level == NBS_WARN)
		add_tail(&l, "warning: ");
	add_text(&l, strcmp(part, "config") == 0 ? NULL : part, text, 0);
	put(STDERR_FILENO, false, &l);
}

static void emit(enum nbs_level level, const char *part, uint64_t suppressed, const char *fmt,
                 va_list ap) NBS_PRINTF(4, 0);
static void emit(enum nbs_level level, const char *part, uint64_t suppressed, const char *fmt,
                 va_list ap)
{
	int fd = atomic_load(&log_fd), saved = errno;
	char text[LOG_LINE_MAX]; /* longer than what fits behind a time, so that a cut is seen */

	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		snprintf(text, sizeof(text), "%s", fmt);
	if (fd >= 0)
		put_log(fd, level, part, text, suppressed);
	if (fd < 0 || (level == NBS_ERROR && !atomic_load(&console) && atomic_load(&echo)))
		put_stderr(level, part, text);
	errno = saved;
}

bool log_enabled(enum nbs_level level)
{
	int least = atomic_load(&log_fd) < 0 ? NBS_WARN : NBS_DEBUG;
	int max = atomic_load_explicit(&threshold, memory_order_relaxed);

	return (int)level <= (max < least ? max : least);
}

void log_set_level(enum nbs_level level)
{
	atomic_store(&threshold, (int)level);
}

void log_echo(bool on)
{
	atomic_store(&echo, on);
}

int log_parse_level(const char *name, enum nbs_level *level)
{
	static const struct {
		const char *name;
		enum nbs_level level;
	} names[] = {{"error", NBS_ERROR}, {"warn", NBS_WARN},   {"warning", NBS_WARN},
	             {"info", NBS_INFO},   {"debug", NBS_DEBUG}, {"trace", NBS_DEBUG}};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(name, names[i].name) == 0) {
			*level = names[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

void log_vline(enum nbs_level level, const char *part, const char *fmt, va_list ap)
{
	if (log_enabled(level))
		emit(level, part, 0, fmt, ap);
}

void log_line(enum nbs_level level, const char *part, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vline(level, part, fmt, ap);
	va_end(ap);
}

void log_limited(struct log_limit *limit, enum nbs_level level, const char *part, const char *fmt,
                 ...)
{
	uint64_t now, next = atomic_load(&limit->next_ms);
	struct timespec ts;
	va_list ap;

	if (!log_enabled(level))
		return;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	if (now < next || !atomic_compare_exchange_strong(&limit->next_ms, &next, now + LIMIT_MS)) {
		atomic_fetch_add(&limit->suppressed, 1);
		return;
	}
	va_start(ap, fmt);
	emit(level, part, atomic_exchange(&limit->suppressed, 0), fmt, ap);
	va_end(ap);
}

void log_id_brief(char out[static LOG_ID_BRIEF], const char *id, size_t len)
{
	size_t i, n = len > 10 ? 8 : len;

	if (len == 0) {
		strcpy(out, "(empty)");
		return;
	}
	for (i = 0; i < n; i++)
		out[i] = id[i] > 0x20 && id[i] < 0x7f ? id[i] : '?';
	strcpy(out + n, len > 10 ? ".." : "");
}

/* Puts the new file under the number of the old, so that no writer can meet a closed one. */
static int swap(int fd)
{
	int old = atomic_load(&log_fd), r = 0;

	if (old < 0) {
		atomic_store(&log_fd, fd);
		return 0;
	}
	if (dup3(fd, old, O_CLOEXEC) < 0) {
		r = -errno;
		log_error("log", "cannot change the log file: %s", strerror(-r));
	}
	close(fd);
	return r;
}

static int open_as(const char *file)
{
	bool is_socket, was_socket = log_socket;
	int r = log_file_open(file, &is_socket);

	if (r < 0)
		return r;
	log_socket = is_socket;
	if ((r = swap(r)) < 0)
		log_socket = was_socket;
	return r;
}

int log_open(const char *file)
{
	int saved = errno, r = -ENOMEM;
	char *name = strdup(file);

	if (!name)
		return r;
	if ((r = open_as(file)) < 0)
		goto err0;
	free(log_name);
	log_name = name;
	atomic_store(&console, log_file_is_console(file));
	errno = saved;
	return 0;
err0:
	free(name);
	errno = saved;
	return r;
}

int log_reopen(void)
{
	int saved = errno, r = 0;

	if (log_name && !atomic_load(&console))
		r = open_as(log_name);
	errno = saved;
	return r;
}

int log_chown(uid_t uid, gid_t gid)
{
	int saved = errno, r = 0;

	if (log_name && !atomic_load(&console) && fchown(atomic_load(&log_fd), uid, gid) < 0) {
		r = -errno;
		log_error("log", "%s: cannot be given to uid %u: %s", log_name, (unsigned)uid,
		          strerror(-r));
	}
	errno = saved;
	return r;
}

void log_close(void)
{
	int saved = errno, fd = atomic_exchange(&log_fd, -1);

	if (fd >= 0)
		close(fd);
	free(log_name);
	log_name = NULL;
	errno = saved;
}
