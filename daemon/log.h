/*
 * The daemon's log: one line per event, "TIME LEVEL part: words key=value ...".  Everything here
 * is [any] unless marked [main], never waits for a reader, and never changes errno.  A line is
 * one write(2) of at most LOG_LINE_MAX bytes, so that lines of several threads do not mix; a
 * longer one is cut and ends with "...".  Control characters and bytes that are no UTF-8 are
 * shown as \xNN.  A line that could not be written is lost; the next one that could be is
 * followed by the count.  The process must ignore SIGPIPE and SIGXFSZ.
 *
 * While no log is open, errors and warnings go to stderr as "netbird-signal: part: words", so
 * that a wrong configuration is seen; the part "config" is left out there, because its lines
 * begin with a file name or a flag.  Errors go there as well as to an open log file until
 * log_echo(false).
 */
#ifndef LOG_H
#define LOG_H

#include <netbird-signal/plugin.h>

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#define LOG_LINE_MAX 1024 /* with the newline */

/* [main] "console" is stdout.  A file is opened for appending, created with mode 0640.  On an
 * error (negative errno, said) the log stays as it was. */
int log_open(const char *file);
/* [main] Opens the file again under the same name, after a rotation; keeps the old on an error. */
int log_reopen(void);
/* [main] Only when no other thread can write a line any more. */
void log_close(void);
/* [main] Gives the open log file to the user that the daemon is about to become, so that
 * log_reopen() still works afterwards.  Does nothing on the console.  Negative errno, said. */
int log_chown(uid_t uid, gid_t gid);
/* [main] Off once the daemon is ready; on at first. */
void log_echo(bool on);
void log_set_level(enum nbs_level level);
bool log_enabled(enum nbs_level level);
/* 0 and *level, or -EINVAL: error, warn (warning), info, debug, trace (as debug), any case. */
int log_parse_level(const char *name, enum nbs_level *level);

void log_line(enum nbs_level level, const char *part, const char *fmt, ...) NBS_PRINTF(3, 4);
void log_vline(enum nbs_level level, const char *part, const char *fmt, va_list ap)
    NBS_PRINTF(3, 0);

#define log_error(part, ...) log_line(NBS_ERROR, part, __VA_ARGS__)
#define log_warn(part, ...) log_line(NBS_WARN, part, __VA_ARGS__)
#define log_info(part, ...) log_line(NBS_INFO, part, __VA_ARGS__)
#define log_debug(part, ...)                                    \
	do {                                                    \
		if (log_enabled(NBS_DEBUG))                     \
			log_line(NBS_DEBUG, part, __VA_ARGS__); \
	} while (0)

/* For what a client can cause: at most one line per `log_limit` in ten seconds; the next line
 * then ends with " suppressed=N".  A static zeroed object is ready to use. */
struct log_limit {
	_Atomic uint64_t next_ms;
	_Atomic uint64_t suppressed;
};
void log_limited(struct log_limit *limit, enum nbs_level level, const char *part, const char *fmt,
                 ...) NBS_PRINTF(4, 5);

/* An id cut and made printable for a log line: "abcdefgh..", whole up to 10 bytes, "(empty)". */
#define LOG_ID_BRIEF 16
void log_id_brief(char out[static LOG_ID_BRIEF], const char *id, size_t len);

#endif
