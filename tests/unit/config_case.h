/*
 * For tests of the configuration: write a file, load it, look at what was said on stderr.
 */
#ifndef CONFIG_CASE_H
#define CONFIG_CASE_H

#include "config.h"
#include "options.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A process per test: the name needs no more than this. */
static char case_file[64];
static char case_said[65536];

static inline void case_write(const char *text, size_t len)
{
	int fd;

	strcpy(case_file, "/tmp/netbird-signal-test-XXXXXX");
	cr_assert((fd = mkstemp(case_file)) >= 0);
	cr_assert_eq(write(fd, text, len), (ssize_t)len);
	close(fd);
}

/* stderr goes to a file for the time of one call. */
static inline int case_load(struct config **cfg, const struct options *opt)
{
	FILE *said = tmpfile();
	int saved = dup(STDERR_FILENO), r;
	size_t n;

	cr_assert(said && saved >= 0);
	fflush(stderr);
	dup2(fileno(said), STDERR_FILENO);
	*cfg = NULL;
	r = config_load(cfg, opt);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(said);
	n = fread(case_said, 1, sizeof(case_said) - 1, said);
	case_said[n] = '\0';
	fclose(said);
	return r;
}

/* Loads bytes as a file; the file is gone afterwards. */
static inline int case_bytes(struct config **cfg, const char *text, size_t len)
{
	struct options opt = {.config = {case_file, "--config"}};
	int r;

	case_write(text, len);
	r = case_load(cfg, &opt);
	unlink(case_file);
	return r;
}

/* Must be loaded without a word. */
static inline struct config *case_good(const char *text)
{
	struct config *cfg;
	int r = case_bytes(&cfg, text, strlen(text));

	cr_assert_eq(r, 0, "refused %d: %s", r, case_said);
	cr_assert_str_empty(case_said);
	return cfg;
}

/* Must be refused with this line, in which @ stands for the file's name, after
 * "netbird-signal: FILE:"; and with so many lines. */
static inline void case_bad_bytes(const char *text, size_t len, const char *line, unsigned lines)
{
	char expected[2048];
	struct config *cfg;
	unsigned n = 0;
	const char *p, *at = strchr(line, '@');
	int r = case_bytes(&cfg, text, len);

	cr_expect_lt(r, 0, "accepted: %s", text);
	snprintf(expected, sizeof(expected), "netbird-signal: %s:%.*s%s%s\n", case_file,
	         (int)(at ? (size_t)(at - line) : strlen(line)), line, at ? case_file : "",
	         at ? at + 1 : "");
	cr_expect(strstr(case_said, expected), "expected %sgot %s", expected, case_said);
	for (p = case_said; (p = strchr(p, '\n')) != NULL; p++)
		n++;
	cr_expect_eq(n, lines, "expected %u lines, got %s", lines, case_said);
	cr_expect_null(cfg);
}

static inline void case_bad(const char *text, const char *line)
{
	case_bad_bytes(text, strlen(text), line, 1);
}

#endif
