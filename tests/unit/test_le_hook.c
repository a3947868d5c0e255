/* The administrator's program of dns-01: what it is given, what it may do to us, and what is done
 * to it. */
#include "../../plugins/letsencrypt/challenges_private.h"
#include "../../plugins/letsencrypt/hook.h"
#include "le_case.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

/* The digest of "abc" (FIPS 180) in base64url. */
#define ABC "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"

static struct cancel cancel;
static struct challenges_settings settings;
static struct dns01 dns;
static const struct acme_challenge challenge = {.type = "dns-01",
                                                .identifier = {ACME_DNS, "example.org"},
                                                .token = "token_1",
                                                .key_authorization = "abc"};

static void set_up(void)
{
	case_make_dir();
	cr_assert_eq(cancel_open(&cancel), 0);
	settings = (struct challenges_settings){.hook_timeout_s = 20};
	dns = (struct dns01){.host = case_host_open(), .settings = &settings, .cancel = &cancel};
}

static void tear_down(void)
{
	cancel_close(&cancel);
	case_remove_dir();
}

TestSuite(le_hook, .init = set_up, .fini = tear_down, .timeout = 60);

/* A shell script; $D is the folder of this test. */
static void write_hook(const char *script)
{
	static char path[512];
	char text[4096];

	snprintf(text, sizeof(text), "#!/bin/sh\nD=%s\n%s\n", case_dir, script);
	snprintf(path, sizeof(path), "%s", case_write("hook", 0700, text, strlen(text)));
	settings.hook = path;
}

static char *file(const char *name)
{
	return case_output("cat %s/%s", case_dir, name);
}

static bool exists(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", case_dir, name);
	return access(path, F_OK) == 0;
}

static void begin_fails(int code, const char *says)
{
	struct failure f = {.kind = FAILURE_NONE};

	cr_assert_eq(dns01_begin(&dns, &challenge, &f), code, "%s", f.text);
	cr_assert(strstr(f.text, says) != NULL, "%s", f.text);
	cr_assert_eq(f.kind, code == -ECANCELED ? FAILURE_LOCAL : FAILURE_HOOK);
}

static void begin_works(void)
{
	struct failure f = {.kind = FAILURE_NONE};

	cr_assert_eq(dns01_begin(&dns, &challenge, &f), 0, "%s", f.text);
}

/* No child is left, dead or alive. */
static void check_no_child(void)
{
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
	cr_assert_eq(errno, ECHILD);
}

Test(le_hook, gets_the_arguments_of_the_convention)
{
	write_hook("echo \"$# $1 $2 $3 $4 $5\" >> $D/calls");
	begin_works();
	dns01_end(&dns, &challenge, true);
	dns01_end(&dns, &challenge, false);
	cr_assert_str_eq(file("calls"), "5 begin dns-01 example.org token_1 " ABC "\n"
	                                "5 done dns-01 example.org token_1 " ABC "\n"
	                                "5 failed dns-01 example.org token_1 " ABC "\n");
	cr_assert_eq(case_host.lines, 0, "%s", case_host.log);
	check_no_child();
}

Test(le_hook, environment)
{
	setenv("SECRET", "1", 1);
	setenv("PATH", "/usr/bin:/bin", 1);
	write_hook(
	    "env | grep -v '^_=\\|^PWD=\\|^OLDPWD=\\|^SHLVL=' | sort > $D/env; pwd > $D/pwd");
	begin_works();
	cr_assert(strncmp(file("env"), "HOME=/", 6) == 0, "%s", file("env"));
	cr_assert(strstr(file("env"), "\nPATH=/usr/bin:/bin\n") != NULL, "%s", file("env"));
	cr_assert(strstr(file("env"), "SECRET") == NULL);
	cr_assert_str_eq(file("pwd"), "/\n");
}

/* Neither our descriptors nor our signals are its own. */
Test(le_hook, inherits_nothing)
{
	sigset_t all, old;
	int fd = open("/dev/zero", O_RDONLY); /* without close-on-exec */

	cr_assert(fd > 2);
	signal(SIGPIPE, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	write_hook("ls -l /proc/self/fd > $D/descriptors\n"
	           "readlink /proc/$$/fd/0 > $D/stdin\n"
	           "grep '^SigIgn' /proc/self/status > $D/signals\n"
	           "ps -o pgid=,sid= -p $$ > $D/groups; echo $$ >> $D/groups");
	begin_works();
	sigprocmask(SIG_SETMASK, &old, NULL);
	case_output("grep -c ' [012] ->' %s/descriptors | grep '^3$'", case_dir);
	case_output("! grep ' -> ' %s/descriptors | grep -v ' [012] ->' | grep -v '/proc/.*/fd$'",
	            case_dir);
	cr_assert_str_eq(file("stdin"), "/dev/null\n");
	/* 32 and 33 are glibc's own; posix_spawn() has them ignored. */
	cr_assert_str_eq(file("signals"), "SigIgn:\t0000000180000000\n");
	case_output("set -- $(cat %s/groups); test $1 = $2 && test $2 = $3 && test $1 != %d",
	            case_dir, (int)getpgrp());
	close(fd);
}

/* A shell clears the mask by itself; grep does not.  It takes the arguments for files. */
Test(le_hook, inherits_no_signal_mask)
{
	static const char script[] = "#!/usr/bin/env -S grep -h ^SigBlk /proc/self/status\n";
	sigset_t all, old;

	settings.hook = case_write("hook", 0700, script, sizeof(script) - 1);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	begin_fails(-EIO, "exit status 2");
	sigprocmask(SIG_SETMASK, &old, NULL);
	cr_assert(case_logged("says: SigBlk:\t0000000000000000\n"), "%s", case_host.log);
}

Test(le_hook, standard_descriptors_may_be_closed)
{
	int kept[3];

	write_hook("echo out; echo err >&2");
	for (int i = 0; i < 3; i++) {
		kept[i] = fcntl(i, F_DUPFD_CLOEXEC, 100);
		close(i);
	}
	begin_works();
	for (int i = 0; i < 3; i++) {
		if (kept[i] >= 0) {
			dup2(kept[i], i);
			close(kept[i]);
		}
	}
	cr_assert(case_logged("says: out") && case_logged("says: err"), "%s", case_host.log);
}

Test(le_hook, output_comes_into_the_log)
{
	write_hook("echo one; printf 'two\\r\\n'; echo; printf three; echo bad >&2");
	begin_works();
	cr_assert(case_logged("2 hook=begin domain=example.org says: one\n"), "%s", case_host.log);
	cr_assert(case_logged("2 hook=begin domain=example.org says: two\n"), "%s", case_host.log);
	cr_assert(case_logged("2 hook=begin domain=example.org says: three\n"), "%s",
	          case_host.log);
	cr_assert(case_logged("1 hook=begin domain=example.org says: bad\n"), "%s", case_host.log);
	cr_assert_eq(case_host.lines, 4);
}

Test(le_hook, says_no)
{
	write_hook(
	    "echo $1 >> $D/calls; echo trying; echo 'no such zone' >&2; echo leaving; exit 3");
	begin_fails(-EIO, "exit status 3: no such zone");
	cr_assert_str_eq(file("calls"), "begin\n", "what was declined is not ended");
	check_no_child();
}

Test(le_hook, is_killed)
{
	write_hook("kill -SEGV $$");
	begin_fails(-EIO, "killed by signal 11");
}

Test(le_hook, done_that_fails_is_only_a_warning)
{
	write_hook("test $1 = begin");
	begin_works();
	dns01_end(&dns, &challenge, true);
	cr_assert(case_logged("1 hook=done domain=example.org exit status 1: the record "
	                      "_acme-challenge.example.org may be left"),
	          "%s", case_host.log);
}

Test(le_hook, cannot_be_run)
{
	settings.hook = NULL;
	begin_fails(-EIO, "set hook");
	settings.hook = "";
	begin_fails(-EIO, "set hook");
	settings.hook = "bin/true";
	begin_fails(-EIO, "bin/true: not an absolute path");
	settings.hook = "/nowhere/hook";
	begin_fails(-EIO, "/nowhere/hook: cannot be run: No such file or directory");
	settings.hook = "/tmp";
	begin_fails(-EIO, "/tmp: not a program");
	write_hook("exit 0");
	cr_assert_eq(chmod(settings.hook, 0600), 0);
	begin_fails(-EIO, "cannot be run: Permission denied");
	cr_assert_eq(chmod(settings.hook, 0777), 0);
	begin_fails(-EIO, "everybody may write it (mode 0777)");
	settings.hook = case_write("text", 0700, "\001\002\003", 3);
	begin_fails(-EIO, "cannot be run: Exec format error");
	check_no_child();
}

/* It ignores SIGTERM, and so does what it has started. */
Test(le_hook, that_hangs_is_ended_with_all_it_started)
{
	int64_t began = case_now(), took;
	char *pids;

	settings.hook_timeout_s = 1;
	write_hook("echo $1 >> $D/calls; test $1 = begin || exit 0\n"
	           "trap '' TERM; sleep 600 & echo $! > $D/pids; echo waiting; sleep 600");
	begin_fails(-EIO, "did not end within 1 s: waiting");
	took = case_now() - began;
	cr_assert(took >= 1900 && took < 15000, "%lld ms", (long long)took);
	cr_assert_str_eq(file("calls"), "begin\nfailed\n", "it may have set the record");
	pids = file("pids");
	CASE_UNTIL(kill((pid_t)atoi(pids), 0) < 0 && errno == ESRCH);
	check_no_child();
}

Test(le_hook, that_ends_at_sigterm_is_not_killed)
{
	int64_t began = case_now();

	settings.hook_timeout_s = 1;
	write_hook("test $1 = begin || exit 0\n"
	           "trap 'echo ended > $D/ended; exit 0' TERM; sleep 600 & wait");
	begin_fails(-EIO, "did not end within 1 s");
	cr_assert_str_eq(file("ended"), "ended\n");
	cr_assert(case_now() - began < 1900, "SIGKILL was waited for");
}

Test(le_hook, that_leaves_a_process_with_its_pipes_is_not_waited_for)
{
	int64_t began = case_now();
	pid_t left;

	write_hook("sleep 600 & echo $! > $D/pid; echo started");
	begin_works();
	cr_assert(case_now() - began < 15000);
	cr_assert(case_logged("says: started"));
	left = (pid_t)atoi(file("pid"));
	cr_assert_eq(kill(left, 0), 0, "what it leaves behind on purpose goes on");
	kill(left, SIGKILL);
	check_no_child();
}

Test(le_hook, that_floods_the_log)
{
	write_hook("i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done\n"
	           "head -c 100000 /dev/zero | tr '\\0' x; echo; echo last");
	begin_works();
	cr_assert_eq(case_host.lines, 21);
	cr_assert(case_logged("says: line 19\n") && !case_logged("line 20\n"));
	cr_assert(case_logged("left_out=482 more lines"), "%s", case_host.log);
}

Test(le_hook, that_writes_without_end)
{
	int64_t began = case_now();

	write_hook("test $1 = begin || exit 0; exec yes");
	begin_fails(-EIO, "wrote more than 16 MiB: y");
	cr_assert(case_now() - began < 19000, "only its timeout ended it");
	check_no_child();
}

Test(le_hook, that_closes_its_output_is_waited_for)
{
	write_hook("exec >&- 2>&-; sleep 0.3; echo over > $D/over");
	begin_works();
	cr_assert_str_eq(file("over"), "over\n");
}

static void *stop_when_running(void *arg)
{
	(void)arg;
	CASE_UNTIL(exists("running"));
	cancel_set(&cancel);
	return NULL;
}

Test(le_hook, is_ended_when_the_daemon_stops)
{
	int64_t began = case_now();
	pthread_t thread;

	write_hook("echo $1 >> $D/calls; test $1 = begin || exit 0; echo > $D/running; sleep 600");
	pthread_create(&thread, NULL, stop_when_running, NULL);
	begin_fails(-ECANCELED, "stops");
	pthread_join(thread, NULL);
	cr_assert(case_now() - began < 15000);
	cr_assert_str_eq(file("calls"), "begin\nfailed\n");
	remove(settings.hook);
	begin_fails(-ECANCELED, "stops");
	check_no_child();
}

/* In all, however many records there are: the second is not even begun. */
Test(le_hook, failed_has_two_seconds_while_the_daemon_stops)
{
	int64_t began, took;

	write_hook("test $1 = begin && exit 0; echo $1 >> $D/calls; exec sleep 600");
	begin_works();
	cancel_set(&cancel);
	began = case_now();
	dns01_end(&dns, &challenge, false);
	took = case_now() - began;
	cr_assert(took >= 1900 && took < 15000, "%lld ms", (long long)took);
	cr_assert(case_logged("ended because the daemon stops: the record "
	                      "_acme-challenge.example.org may be left"),
	          "%s", case_host.log);
	cancel_set(&cancel); /* again: the time does not begin anew */
	dns01_end(&dns, &challenge, false);
	cr_assert_str_eq(file("calls"), "failed\n");
	cr_assert(case_logged("not run because the daemon stops: the record"), "%s", case_host.log);
	check_no_child();
}

/* A process that ignores SIGCHLD never learns how its children ended. */
Test(le_hook, without_an_exit_status)
{
	signal(SIGCHLD, SIG_IGN);
	write_hook("exit 0");
	begin_fails(-EIO, "its exit status is lost");
	signal(SIGCHLD, SIG_DFL);
}
