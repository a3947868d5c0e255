/*
 * Where the log goes: files, rotation, the console, stderr; and what happens when a line cannot
 * be written.
 */
#include "log_case.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

TestSuite(log_file, .init = make_dir, .fini = remove_dir);

Test(log_file, mode_and_appending)
{
	struct stat st;

	umask(0);
	open_log();
	cr_assert_eq(stat(file, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0640);
	log_info("x", "one");
	log_close();
	open_log();
	log_info("x", "two");
	cr_expect(strstr(text_of(file), "x: one\n") && strstr(text_of(file), "x: two\n"));
}

Test(log_file, rotation)
{
	char old[80];

	snprintf(old, sizeof(old), "%s.1", file);
	open_log();
	log_info("x", "one");
	cr_assert_eq(rename(file, old), 0);
	log_info("x", "two");
	cr_assert_eq(log_reopen(), 0);
	log_info("x", "three");
	cr_expect_str_eq(line_of(file), "INFO  x: three");
	cr_expect(strstr(text_of(old), "x: one\n") && strstr(text_of(old), "x: two\n"));
}

Test(log_file, a_failed_rotation_keeps_the_old_file)
{
	char old[80];

	snprintf(old, sizeof(old), "%s.1", file);
	open_log();
	log_echo(false);
	cr_assert_eq(rename(file, old), 0);
	cr_assert_eq(mkdir(file, 0700), 0);
	cr_expect_eq(log_reopen(), -EISDIR);
	log_info("x", "still here");
	cr_expect(strstr(text_of(old), "cannot be written: Is a directory\n"), "%s", text_of(old));
	cr_expect(strstr(text_of(old), "INFO  x: still here\n"));
}

static void expect_stderr(const char *text)
{
	fflush(stderr);
	cr_expect_stderr_eq_str(text);
}

Test(log_file, missing_directory)
{
	cr_expect_eq(log_open("/nonexistent/a/signal.log"), -ENOENT);
	expect_stderr(
	    "netbird-signal: log: /nonexistent/a/signal.log: the directory /nonexistent/a "
	    "does not exist (\"console\" logs to stdout)\n");
}

Test(log_file, directory_in_place_of_a_file)
{
	cr_expect_eq(log_open("/tmp"), -EISDIR);
	expect_stderr("netbird-signal: log: /tmp: cannot be written: Is a directory\n");
}

Test(log_file, a_fifo_without_a_reader_is_not_waited_for)
{
	cr_assert_eq(mkfifo(file, 0600), 0);
	cr_expect_eq(log_open(file), -ENXIO);
}

Test(log_file, before_it_is_open_errors_and_warnings_go_to_stderr)
{
	log_error("plugin", "one");
	log_error("config", "/x:1: two");
	log_warn("plugin", "three");
	log_info("plugin", "four");
	log_set_level(NBS_DEBUG);
	log_debug("plugin", "five");
	expect_stderr("netbird-signal: plugin: one\n"
	              "netbird-signal: /x:1: two\n"
	              "netbird-signal: warning: plugin: three\n");
}

Test(log_file, errors_are_echoed_until_the_daemon_is_ready)
{
	open_log();
	log_error("x", "one");
	log_warn("x", "two");
	log_echo(false);
	log_error("x", "three");
	expect_stderr("netbird-signal: x: one\n");
}

Test(log_file, console_is_not_echoed)
{
	cr_redirect_stdout();
	cr_assert_eq(log_open("console"), 0);
	log_error("x", "one");
	cr_expect_eq(log_reopen(), 0);
	log_close();
	expect_stderr("");
}

/* stdout is a pipe that nobody reads. */
Test(log_file, a_full_console_is_not_waited_for, .timeout = 10)
{
	char text[65536];
	int ends[2], i;
	ssize_t n;

	cr_assert_eq(pipe(ends), 0);
	cr_assert(dup2(ends[1], STDOUT_FILENO) >= 0);
	cr_assert_eq(log_open("console"), 0);
	for (i = 0; i < 3000; i++)
		log_info("x", "%0100d", i);
	cr_expect_eq(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0, "stdout itself was changed");
	do {
		n = read(ends[0], text, sizeof(text));
	} while (n == (ssize_t)sizeof(text));
	log_info("x", "there is room again");
	n = read(ends[0], text, sizeof(text) - 1);
	cr_assert(n > 0);
	text[n] = '\0';
	cr_expect(strstr(text, "INFO  x: there is room again\n"));
	cr_expect(strstr(text, "WARN  log: lines could not be written lost="), "%s", text);
}

Test(log_file, a_full_socket_as_console_is_not_waited_for, .timeout = 10)
{
	int ends[2], i;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	cr_assert(dup2(ends[1], STDOUT_FILENO) >= 0);
	cr_assert_eq(log_open("console"), 0);
	for (i = 0; i < 3000; i++)
		log_info("x", "%0200d", i);
	close(ends[0]);
	log_info("x", "and one that has gone does not end the process");
}

/* A disk that is full, as a limit on the size of files. */
Test(log_file, a_line_cut_by_a_full_disk_is_ended)
{
	struct rlimit small, old;
	const char *text;

	open_log();
	log_echo(false);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 60;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	log_info("x", "one");
	log_info("x", "this does not fit any more");
	log_info("x", "nor does this");
	cr_expect_eq(strlen(text_of(file)), 60);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	log_info("x", "two");
	text = text_of(file);
	cr_expect_eq(text[60], '\n');
	cr_expect(strstr(text, "INFO  x: two\n"));
	cr_expect(strstr(text, "WARN  log: lines could not be written lost=2\n"), "%s", text);
}

#define WRITERS 4
#define LINES 2000
static atomic_int writing = WRITERS;

static void *write_lines(void *arg)
{
	int i;

	for (i = 0; i < LINES; i++)
		log_info("x", "writer=%d line=%d %0*d", *(int *)arg, i, i % 500, 0);
	atomic_fetch_sub(&writing, 1);
	return NULL;
}

/* Every line must be found once, whole, in one of the files. */
static int check_lines(const char *name, unsigned char seen[WRITERS][LINES])
{
	FILE *f = fopen(name, "r");
	char line[4096];
	int n = 0, w, i;

	cr_assert(f);
	while (fgets(line, sizeof(line), f)) {
		cr_assert_eq(sscanf(line + 25, "INFO  x: writer=%d line=%d 0", &w, &i), 2, "%s",
		             line);
		cr_assert(w >= 0 && w < WRITERS && i >= 0 && i < LINES);
		cr_expect_eq(strlen(line), strlen(line + 25) + 25);
		cr_expect_eq(seen[w][i]++, 0);
		n++;
	}
	fclose(f);
	return n;
}

Test(log_file, rotation_under_load_loses_and_tears_nothing, .timeout = 60)
{
	static unsigned char seen[WRITERS][LINES];
	pthread_t threads[WRITERS];
	int numbers[WRITERS], i, n = 0, files;
	char old[96];

	open_log();
	for (i = 0; i < WRITERS; i++) {
		numbers[i] = i;
		cr_assert_eq(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
	}
	for (files = 0; atomic_load(&writing) > 0; files++) {
		snprintf(old, sizeof(old), "%s.%d", file, files);
		cr_assert_eq(rename(file, old), 0);
		cr_assert_eq(log_reopen(), 0);
	}
	for (i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	n = check_lines(file, seen);
	for (i = 0; i < files; i++) {
		snprintf(old, sizeof(old), "%s.%d", file, i);
		n += check_lines(old, seen);
	}
	cr_expect_eq(n, WRITERS * LINES);
}
