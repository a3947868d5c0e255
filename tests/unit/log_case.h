/*
 * For tests of the log: a log file in a directory of its own, and what is in it.
 */
#ifndef LOG_CASE_H
#define LOG_CASE_H

#include "log.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/netbird-signal-log-XXXXXX";
static char file[64];

static inline void make_dir(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/log", dir);
	cr_redirect_stderr();
}

static inline void remove_dir(void)
{
	char command[80];

	log_close();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_expect_eq(system(command), 0);
}

static inline char *text_of(const char *name)
{
	static char text[1 << 20];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	cr_assert(fd >= 0, "%s", name);
	n = read(fd, text, sizeof(text) - 1);
	cr_assert(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

/* The text of the file, whose only line it must be, behind the time. */
static inline const char *line_of(const char *name)
{
	char *text = text_of(name), *end = strchr(text, '\n');

	cr_assert(end && end[1] == '\0' && strlen(text) > 25, "not one line: %s", text);
	*end = '\0';
	return text + 25;
}

static inline void open_log(void)
{
	cr_assert_eq(log_open(file), 0);
}

static inline void empty_log(void)
{
	cr_assert_eq(truncate(file, 0), 0);
}

#endif
