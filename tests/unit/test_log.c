/*
 * Lines of the log: their form, their length, what is escaped, how many of them.
 */
#include "log_case.h"

#include <errno.h>
#include <regex.h>

TestSuite(log, .init = make_dir, .fini = remove_dir);

Test(log, form)
{
	regex_t form;

	open_log();
	log_info("listener", "listening name=%s port=%d", "signal", 10000);
	cr_assert_eq(
	    regcomp(&form,
	            "^20[0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]"
	            "\\.[0-9][0-9][0-9]Z INFO  listener: listening name=signal port=10000\n$",
	            REG_NOSUB),
	    0);
	cr_expect_eq(regexec(&form, text_of(file), 0, NULL, 0), 0, "%s", text_of(file));
	regfree(&form);
}

Test(log, levels)
{
	open_log();
	log_set_level(NBS_WARN);
	cr_expect(log_enabled(NBS_ERROR) && log_enabled(NBS_WARN));
	cr_expect_not(log_enabled(NBS_INFO) || log_enabled(NBS_DEBUG));
	log_info("x", "no");
	log_debug("x", "no");
	log_warn("x", "yes");
	cr_expect_str_eq(line_of(file), "WARN  x: yes");
	empty_log();
	log_set_level(NBS_DEBUG);
	log_debug("x", "yes");
	cr_expect_str_eq(line_of(file), "DEBUG x: yes");
}

Test(log, level_names)
{
	static const struct {
		const char *name;
		enum nbs_level level;
	} good[] = {{"error", NBS_ERROR}, {"warn", NBS_WARN},   {"WARNING", NBS_WARN},
	            {"Info", NBS_INFO},   {"debug", NBS_DEBUG}, {"trace", NBS_DEBUG}};
	static const char *const bad[] = {"", "inf", "information", " info", "3"};
	enum nbs_level level;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_expect_eq(log_parse_level(good[i].name, &level), 0);
		cr_expect_eq(level, good[i].level);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(log_parse_level(bad[i], &level), -EINVAL);
}

Test(log, keeps_errno)
{
	struct log_limit limit = {0};
	enum nbs_level level;

	errno = ENOTTY;
	cr_expect_eq(log_open(file), 0);
	log_info("x", "%m");
	log_limited(&limit, NBS_INFO, "x", "y");
	log_limited(&limit, NBS_INFO, "x", "y");
	log_parse_level("x", &level);
	log_reopen();
	log_open("/nonexistent/x/log");
	log_close();
	log_error("x", "to stderr");
	cr_expect_eq(errno, ENOTTY);
	cr_expect(strstr(text_of(file), "x: Inappropriate ioctl for device\n"));
}

Test(log, what_a_terminal_would_obey_is_escaped)
{
	open_log();
	log_info("x", "a\nb\r\tc\x1b[2J\x7f \xc2\x9b-");
	cr_expect_str_eq(line_of(file), "INFO  x: a\\x0ab\\x0d\\x09c\\x1b[2J\\x7f \\xc2\\x9b-");
}

Test(log, what_is_no_utf8_is_escaped)
{
	static const char *const texts[][2] = {
	    {"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"},
	    {"\xff", "\\xff"},
	    {"\x80", "\\x80"},
	    {"\xc3", "\\xc3"},
	    {"\xc3(", "\\xc3("},
	    {"\xc0\xaf", "\\xc0\\xaf"},
	    {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},
	    {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
	    {"\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf"},
	    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
	    {"\xe2\x82", "\\xe2\\x82"},
	    {"\xef\xbf\xbf", "\xef\xbf\xbf"},
	};
	char line[128];
	size_t i;

	open_log();
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		empty_log();
		log_info("x", "%s", texts[i][0]);
		snprintf(line, sizeof(line), "INFO  x: %s", texts[i][1]);
		cr_expect_str_eq(line_of(file), line);
	}
}

Test(log, long_lines_are_cut)
{
	static const char *const pieces[] = {"x", "\xc3\xa4", "\n", "\xff"};
	char *text = malloc(100001);
	size_t i, j, n;

	open_log();
	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		n = strlen(pieces[i]);
		for (j = 0; j + n <= 100000; j += n)
			memcpy(text + j, pieces[i], n);
		text[j] = '\0';
		empty_log();
		log_info("x", "%s", text);
		n = strlen(line_of(file));
		cr_expect(n + 26 <= LOG_LINE_MAX && n + 26 > LOG_LINE_MAX - 60, "%zu bytes",
		          n + 26);
		cr_expect_str_eq(line_of(file) + n - 3, "...");
		cr_expect_neq(line_of(file)[n - 4], '\xc3', "half a character");
	}
	empty_log();
	memset(text, 'x', 900);
	text[900] = '\0';
	log_info("x", "%s", text);
	cr_expect_eq(strlen(line_of(file)), 9 + 900, "not to be cut");
	free(text);
}

Test(log, limited)
{
	static struct log_limit limit;
	int i;

	open_log();
	for (i = 0; i < 5; i++)
		log_limited(&limit, NBS_INFO, "x", "refused n=%d", i);
	cr_expect_str_eq(line_of(file), "INFO  x: refused n=0");
	empty_log();
	atomic_store(&limit.next_ms, 1); /* as if ten seconds had gone by */
	log_limited(&limit, NBS_INFO, "x", "refused n=%d", i);
	cr_expect_str_eq(line_of(file), "INFO  x: refused n=5 suppressed=4");
	empty_log();
	atomic_store(&limit.next_ms, 1);
	log_limited(&limit, NBS_INFO, "x", "refused");
	cr_expect_str_eq(line_of(file), "INFO  x: refused");
}

Test(log, limited_counts_even_behind_a_long_line)
{
	struct log_limit limit = {.suppressed = UINT64_MAX};
	char text[2000] = "";

	memset(text, 'x', sizeof(text) - 1);
	open_log();
	log_limited(&limit, NBS_INFO, "x", "%s", text);
	cr_expect(strstr(line_of(file), "xxx... suppressed=18446744073709551615"));
	cr_expect_leq(strlen(text_of(file)), LOG_LINE_MAX);
}

Test(log, limited_says_and_counts_nothing_below_the_level)
{
	struct log_limit limit = {0};

	open_log();
	log_limited(&limit, NBS_DEBUG, "x", "no");
	log_limited(&limit, NBS_DEBUG, "x", "no");
	cr_expect_str_empty(text_of(file));
	cr_expect_eq(atomic_load(&limit.suppressed), 0);
}

Test(log, ids)
{
	char out[LOG_ID_BRIEF];

	log_id_brief(out, "", 0);
	cr_expect_str_eq(out, "(empty)");
	log_id_brief(out, "dummy", 5);
	cr_expect_str_eq(out, "dummy");
	log_id_brief(out, "0123456789", 10);
	cr_expect_str_eq(out, "0123456789");
	log_id_brief(out, "0123456789a", 11);
	cr_expect_str_eq(out, "01234567..");
	log_id_brief(out, "a b\n\xff\0c=", 8);
	cr_expect_str_eq(out, "a?b\?\?\?c=");
}
