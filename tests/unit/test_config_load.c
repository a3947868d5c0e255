/*
 * Files that cannot be read, many faults at once, and what a reload would need a restart for.
 */
#include "config_case.h"

#include <errno.h>
#include <sys/stat.h>

Test(config_load, all_faults_of_a_file_are_named)
{
	struct config *cfg;
	char text[4096] = "", *p = text;
	int i;

	case_bad_bytes("[daemon]\nlog-level = x\nio-threads = y\nnonsense\n[foo]\n", 53,
	               "3: [daemon] io-threads: expected a number from 0 to 64, got \"y\"", 4);
	for (i = 0; i < 50; i++)
		p += sprintf(p, "nonsense %d\n", i);
	cr_expect_eq(case_bytes(&cfg, text, strlen(text)), -EINVAL);
	cr_expect(
	    strstr(case_said, ":20: expected \"key = value\" or [section], got \"nonsense 19\"\n"));
	cr_expect_null(strstr(case_said, ":21: "));
	cr_expect(strstr(case_said, "netbird-signal: 30 more faults are not shown\n"));
}

Test(config_load, files_that_cannot_be_read)
{
	struct options opt = {.config = {"/nonexistent/signal.ini", "--config"}};
	struct config *cfg;

	cr_expect_eq(case_load(&cfg, &opt), -ENOENT);
	cr_expect_str_eq(case_said,
	                 "netbird-signal: /nonexistent/signal.ini: cannot be read: No such "
	                 "file or directory\n");
	opt.config.value = "/tmp";
	cr_expect_eq(case_load(&cfg, &opt), -EINVAL);
	cr_expect_str_eq(case_said, "netbird-signal: /tmp: expected a file, it is a directory\n");
	opt.config.value = "/dev/null";
	cr_expect_eq(case_load(&cfg, &opt), 0);
	cr_expect_str_empty(case_said);
	config_free(cfg);
}

Test(config_load, a_fifo_is_not_waited_for)
{
	struct options opt = {.config = {"/tmp/netbird-signal-test-fifo", "--config"}};
	char name[64];
	struct config *cfg;

	snprintf(name, sizeof(name), "/tmp/netbird-signal-test-fifo-%d", (int)getpid());
	opt.config.value = name;
	cr_assert_eq(mkfifo(name, 0600), 0);
	cr_expect_eq(case_load(&cfg, &opt), -EINVAL);
	cr_expect(strstr(case_said, "expected a file, it is of another kind\n"));
	unlink(name);
}

Test(config_load, a_file_over_one_mebibyte)
{
	size_t len = 1024 * 1024 + 1, i;
	char *text = malloc(len), line[256];
	struct config *cfg;

	for (i = 0; i < len; i++)
		text[i] = i % 64 == 63 ? '\n' : '#';
	cr_expect_eq(case_bytes(&cfg, text, len), -EFBIG);
	snprintf(line, sizeof(line),
	         "netbird-signal: %s: expected at most 1024 KiB, it is longer\n", case_file);
	cr_expect_str_eq(case_said, line);
	text[len - 2] = '\n';
	cr_expect_eq(case_bytes(&cfg, text, len - 1), 0);
	config_free(cfg);
	free(text);
}

/* What main would warn of at a reload. */
static unsigned restart(const char *before, const char *after, const char *words)
{
	struct config *old = case_good(before), *new = case_good(after);
	unsigned n;
	char expected[256];

	n = config_warn_restart(old, new);
	snprintf(expected, sizeof(expected), "netbird-signal: warning: %s%s\n",
	         *words == ':' ? case_file : "", words);
	fflush(stderr);
	if (*words)
		cr_expect_stderr_eq_str(expected);
	config_free(old);
	config_free(new);
	return n;
}

Test(config_load, of_a_key, .init = cr_redirect_stderr)
{
	cr_expect_eq(restart("", "[daemon]\nlog-file = /x\n",
	                     ":2: [daemon] log-file: has changed, which needs a restart"),
	             1);
}

Test(config_load, of_a_key_that_is_gone, .init = cr_redirect_stderr)
{
	cr_expect_eq(restart("[daemon]\nio-threads = 3\n", "",
	                     ": [daemon] io-threads: has changed, which needs a restart"),
	             1);
}

Test(config_load, of_a_listener, .init = cr_redirect_stderr)
{
	cr_expect_eq(restart("", "[listener signal]\naddress = *:2\n",
	                     ":2: [listener signal] has changed, which needs a restart"),
	             1);
}

Test(config_load, of_every_key_of_a_listener, .init = cr_redirect_stderr)
{
	static const char *const texts[] = {
	    "[listener signal]\n",
	    "[listener signal]\nclass = admin\n",
	    "[listener signal]\ntls = off\n",
	    "[listener signal]\nproxy-protocol = required\ntrusted-proxies = 10.0.0.0/8\n",
	    "[listener signal]\nproxy-protocol = required\ntrusted-proxies = 10.0.0.0/9\n",
	    "[listener signal]\nproxy-protocol = required\ntrusted-proxies = 11.0.0.0/8\n",
	    "[listener signal]\nproxy-protocol = required\ntrusted-proxies = 10.0.0.0/8, ::1\n",
	};
	size_t i, j;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (j = 0; j < sizeof(texts) / sizeof(texts[0]); j++)
			cr_expect_eq(restart(texts[i], texts[j], ""), i != j, "%s%s", texts[i],
			             texts[j]);
	}
}

Test(config_load, of_pings, .init = cr_redirect_stderr)
{
	cr_expect_eq(restart("[http]\nping-interval = 10s\n", "[http]\n\nping-interval = 11s\n",
	                     ":3: [http] ping-interval: has changed, which needs a restart"),
	             1);
}

Test(config_load, of_a_new_listener, .init = cr_redirect_stderr)
{
	cr_expect_eq(restart("", "[listener signal]\n[listener x]\naddress = *:2\n",
	                     ":3: [listener x] is new, which needs a restart"),
	             1);
}

Test(config_load, of_a_listener_that_is_gone, .init = cr_redirect_stderr)
{
	struct config *old = case_good("[listener signal]\n[listener x]\naddress=*:2\n"),
		      *new = case_good("");

	cr_expect_eq(config_warn_restart(old, new), 1);
	config_free(old);
	config_free(new);
}

Test(config_load, of_nothing_that_can_be_reloaded)
{
	cr_expect_eq(restart("",
	                     "[daemon]\nlog-level=debug\n[limits]\nmax-connections=5\n"
	                     "max-connections-per-address=3\nhandshake-timeout=1s\n"
	                     "max-handshakes=7\n[tls]\ncert-file=/c\ncert-key=/k\n"
	                     "min-version=1.3\n[tls a]\ncert-file=/c\ncert-key=/k\n[peers]\n"
	                     "mailbox-messages=3\nmailbox-bytes=4M\nmailbox-total-bytes=4M\n"
	                     "send-timeout=1s\ngrace-period=1s\nadmission-timeout=1s\n"
	                     "replace-burst=1\nreplace-interval=2s\n",
	                     ""),
	             0);
}
