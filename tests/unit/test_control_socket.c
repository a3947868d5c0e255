/*
 * The control socket and its client, over a real main loop: the file, whoever has it already,
 * packets that are no request, and clients that say nothing.
 */
#include "clock.h"
#include "commands.h"
#include "control.h"
#include "control_client.h"
#include "control_socket.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE 10000 /* for what has to come */

static char dir[] = "/tmp/nbs-control-XXXXXX";
static char path[64];
static struct control *control;
static struct commands *commands;
static struct control_socket *sock;
static pthread_t loop;
static bool looping;
static atomic_int ran;
static _Atomic uint64_t ahead_ms; /* how much later it is for the socket than it really is */

static int say(void *arg, struct nbs_call *call, int argc, const char *const *argv)
{
	(void)arg;
	ran++;
	for (int i = 0; i < argc; i++)
		commands_print(call, "[%s]", argv[i]);
	return argc > 0 && strcmp(argv[0], "fail") == 0 ? -EIO : 0;
}

static const struct nbs_command say_command = {sizeof(say_command), "say", "WORD...", say};

static void setup(void)
{
	cr_redirect_stderr();
	cr_redirect_stdout();
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/control.sock", dir);
	cr_assert_eq(control_open(&control), 0);
	cr_assert_eq(commands_open(&commands), 0);
	cr_assert_eq(commands_add(commands, "test", &say_command, NULL), 0);
}

static void tick(void *arg, uint64_t now_ms)
{
	(void)arg;
	control_socket_tick(sock, now_ms + atomic_load(&ahead_ms));
}

static void reload(void *arg)
{
	(void)arg;
}

static void *run_loop(void *arg)
{
	static const struct control_ops ops = {.tick = tick, .reload = reload};

	control_set_tick(control, 20);
	control_run(control, &ops, arg);
	return NULL;
}

static int open_socket_as(bool required)
{
	const struct control_socket_settings settings = {
	    .path = path, .user = "", .required = required};

	return control_socket_open(&sock, &settings, control, commands);
}

static void start(void)
{
	cr_assert_eq(open_socket_as(true), 0);
	cr_assert_not_null(sock);
	cr_assert_eq(pthread_create(&loop, NULL, run_loop, NULL), 0);
	looping = true;
}

static void stop(void)
{
	if (looping) {
		control_quit(control);
		pthread_join(loop, NULL);
	}
	looping = false;
	control_socket_close(sock);
	sock = NULL;
}

static void teardown(void)
{
	stop();
	commands_close(commands);
	control_close(control);
	unlink(path);
	cr_expect_eq(rmdir(dir), 0, "nothing is left in %s", dir);
}

TestSuite(control_socket, .init = setup, .fini = teardown, .timeout = 60);

/* --- a client by hand ------------------------------------------------------------------------ */

static struct sockaddr_un address(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	strcpy(addr.sun_path, path);
	return addr;
}

static void reach(int fd)
{
	const struct sockaddr_un addr = address();
	const struct timeval patience = {.tv_sec = PATIENCE / 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	cr_assert_eq(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0, "%s",
	             strerror(errno));
}

static int dial(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	reach(fd);
	return fd;
}

/* What comes back: its length, 0 at the end; the text is in `got`. */
static char got[2 * COMMANDS_OUTPUT_MAX];

static ssize_t hear(int fd)
{
	ssize_t n = recv(fd, got, sizeof(got) - 1, 0);

	cr_assert(n >= 0 || errno == ECONNRESET, "%s", strerror(errno));
	got[n > 0 ? n : 0] = '\0';
	return n > 0 ? n : 0;
}

static void tell(int fd, const void *bytes, size_t len)
{
	cr_assert_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len, "%s", strerror(errno));
}

/* One packet, and the answer that it must get. */
static void expect_answer(const void *bytes, size_t len, const char *answer)
{
	int fd = dial();

	tell(fd, bytes, len);
	hear(fd);
	cr_expect_eq(strncmp(got, answer, strlen(answer)), 0, "\"%s\", expected \"%s\"", got,
	             answer);
	cr_expect_eq(hear(fd), 0, "then it is closed");
	close(fd);
}

static int say_hello(void)
{
	return control_client_call(path, (const char *[]){"say", "hello", NULL}, PATIENCE);
}

/* --- the file -------------------------------------------------------------------------------- */

Test(control_socket, is_private_and_goes_with_the_daemon)
{
	struct stat st;
	mode_t before = umask(0);

	start();
	umask(before);
	cr_assert_eq(lstat(path, &st), 0);
	cr_expect(S_ISSOCK(st.st_mode));
	cr_expect_eq(st.st_mode & 07777, 0600, "%o", st.st_mode);
	stop();
	cr_expect_neq(lstat(path, &st), 0);
}

Test(control_socket, none_is_made_for_nobody)
{
	struct commands *none;
	const struct control_socket_settings settings = {.path = path,
	                                                 .user = "",
	                                                 .required = true},
					     empty = {.path = "", .user = "", .required = true};

	cr_assert_eq(commands_open(&none), 0);
	cr_expect_eq(control_socket_open(&sock, &settings, control, none), 0);
	cr_expect_null(sock);
	cr_expect_eq(control_socket_open(&sock, &empty, control, commands), 0);
	cr_expect_null(sock);
	cr_expect_neq(access(path, F_OK), 0);
	control_socket_tick(NULL, 1);
	control_socket_close(NULL);
	commands_close(none);
}

Test(control_socket, a_file_of_a_daemon_that_died_is_replaced)
{
	const struct sockaddr_un addr = address();
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	cr_assert_eq(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	close(fd);
	start();
	cr_expect_eq(say_hello(), 0);
}

static void expect_taken(void)
{
	cr_expect_eq(open_socket_as(false), 0, "the daemon goes on without");
	cr_expect_null(sock);
	cr_expect_lt(open_socket_as(true), 0);
	cr_expect_null(sock);
	cr_expect_eq(access(path, F_OK), 0, "what is there stays");
}

static void expect_taken_by(int type)
{
	const struct sockaddr_un addr = address();
	int fd = socket(AF_UNIX, type, 0);

	cr_assert_eq(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	if (type != SOCK_DGRAM)
		cr_assert_eq(listen(fd, 0), 0);
	expect_taken();
	close(fd);
}

Test(control_socket, of_another_daemon)
{
	struct control_socket *first;

	cr_assert_eq(open_socket_as(true), 0);
	first = sock;
	expect_taken();
	sock = first;
}

Test(control_socket, of_another_program)
{
	expect_taken_by(SOCK_STREAM);
}

Test(control_socket, of_another_program_with_datagrams)
{
	expect_taken_by(SOCK_DGRAM);
}

Test(control_socket, a_file_that_is_no_socket_is_not_touched)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	cr_assert_eq(write(fd, "precious", 8), 8);
	close(fd);
	expect_taken();
	cr_expect_eq(open(path, O_RDONLY) >= 0, true);
}

Test(control_socket, nor_a_link_or_a_directory)
{
	cr_assert_eq(symlink("/nowhere/at/all", path), 0);
	cr_expect_lt(open_socket_as(true), 0);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(mkdir(path, 0700), 0);
	expect_taken();
	cr_assert_eq(rmdir(path), 0);
}

Test(control_socket, a_directory_that_is_not_there)
{
	snprintf(path, sizeof(path), "%s/none/control.sock", dir);
	cr_expect_eq(open_socket_as(true), -ENOENT);
	cr_expect_eq(open_socket_as(false), 0);
	cr_expect_null(sock);
}

/* Somebody removed the file, and another daemon made its own. */
Test(control_socket, only_its_own_file_is_removed)
{
	struct control_socket *first, *second;

	cr_assert_eq(open_socket_as(true), 0);
	first = sock;
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(open_socket_as(true), 0);
	second = sock;
	control_socket_close(first);
	cr_expect_eq(access(path, F_OK), 0);
	control_socket_close(second);
	cr_expect_neq(access(path, F_OK), 0);
	sock = NULL;
}

/* --- requests -------------------------------------------------------------------------------- */

Test(control_socket, words_and_answers)
{
	start();
	expect_answer("say\0a\0\0b", 9, "0[a][][b]");
	expect_answer("say", 4, "0");
	expect_answer("say\0fail", 9, "1[fail]");
	expect_answer("cert\0status", 12, "2netbird-signal: unknown command \"cert\"");
}

Test(control_socket, packets_that_are_no_request)
{
	static const char refused[] = "2netbird-signal: the daemon does not understand";
	static char bytes[CONTROL_REQUEST_MAX + 100];
	unsigned seed = 1;

	start();
	expect_answer("say", 3, refused); /* its NUL is missing */
	expect_answer("", 1, refused);
	expect_answer("\0say", 5, refused);
	expect_answer("", 0, "");
	memcpy(bytes, "say\0", 4); /* and thousands of empty words */
	expect_answer(bytes, CONTROL_REQUEST_MAX, refused);
	expect_answer(bytes, CONTROL_REQUEST_MAX + 1, "2netbird-signal: the words are too long");
	expect_answer(bytes, sizeof(bytes), "2netbird-signal: the words are too long");
	memset(bytes, 'x', sizeof(bytes));
	expect_answer(bytes, CONTROL_REQUEST_MAX, refused);
	for (int i = 0; i < 200; i++) {
		size_t len = 1 + (size_t)rand_r(&seed) % 300;

		for (size_t at = 0; at < len; at++)
			bytes[at] = (char)(rand_r(&seed) % (i % 2 ? 256 : 4));
		expect_answer(bytes, len, "2");
	}
	cr_expect_eq(ran, 0);
	cr_expect_eq(say_hello(), 0);
}

Test(control_socket, of_two_requests_the_first_is_answered)
{
	int fd;

	start();
	fd = dial();
	tell(fd, "say\0one", 8);
	send(fd, "say\0two", 8, MSG_NOSIGNAL); /* perhaps it is closed by now */
	hear(fd);
	cr_expect(strcmp(got, "0[one]") == 0 || got[0] == '\0', "%s", got);
	close(fd);
	cr_expect_eq(say_hello(), 0);
	cr_expect_eq(ran, 2);
}

Test(control_socket, who_leaves_without_a_word)
{
	start();
	for (int i = 0; i < 100; i++)
		close(dial());
	cr_expect_eq(say_hello(), 0);
}

Test(control_socket, who_does_not_read_the_answer)
{
	start();
	for (int i = 0; i < 20; i++) {
		int fd = dial();

		tell(fd, "say\0x", 6);
		close(fd);
	}
	cr_expect_eq(say_hello(), 0);
}

Test(control_socket, the_silent_hold_nobody_up)
{
	int silent[20];
	uint64_t begin;

	start();
	for (size_t i = 0; i < 20; i++)
		silent[i] = dial();
	begin = clock_ms();
	for (size_t i = 0; i < 20; i++)
		cr_expect_eq(say_hello(), 0);
	cr_expect_lt(clock_ms() - begin, CONTROL_PATIENCE_MS / 2);
	cr_expect_eq(hear(silent[0]), 0, "the first gave way");
	for (size_t i = 0; i < 20; i++)
		close(silent[i]);
}

static sem_t held, go;

static void hold(void *arg)
{
	(void)arg;
	sem_post(&held);
	sem_wait(&go);
}

/* Those who were silent, and speak in the moment in which another one needs their place. */
Test(control_socket, a_place_is_not_taken_from_a_request)
{
	int fds[CONTROL_CLIENTS_MAX], another;

	sem_init(&held, 0, 0);
	sem_init(&go, 0, 0);
	start();
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		fds[i] = dial();
	/* When the last one is answered, all before it are accepted. */
	tell(fds[CONTROL_CLIENTS_MAX - 1], "say\0last", 9);
	hear(fds[CONTROL_CLIENTS_MAX - 1]);
	close(fds[CONTROL_CLIENTS_MAX - 1]);
	fds[CONTROL_CLIENTS_MAX - 1] = dial();
	cr_assert_eq(control_post(control, hold, NULL), 0);
	sem_wait(&held);
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		tell(fds[i], "say\0here", 9);
	another = dial();
	sem_post(&go);
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		hear(fds[i]);
		cr_expect_str_eq(got, "0[here]");
		close(fds[i]);
	}
	close(another);
}

Test(control_socket, the_silent_are_closed_in_time)
{
	int fd;

	start();
	fd = dial();
	cr_expect_eq(say_hello(), 0); /* it is accepted by now */
	atomic_store(&ahead_ms, CONTROL_PATIENCE_MS);
	cr_expect_eq(hear(fd), 0);
	close(fd);
}

/* Has one more turn of the loop, and what it watches with it. */
static void turn(void)
{
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(control_post(control, hold, NULL), 0);
		sem_wait(&held);
		sem_post(&go);
	}
}

Test(control_socket, a_client_waits_while_there_is_no_descriptor)
{
	struct rlimit before, none; /* poll() wants no fewer than it is given places */
	int fd, more;

	sem_init(&held, 0, 0);
	sem_init(&go, 0, 0);
	start();
	fd = dial();
	cr_expect_eq(say_hello(), 0); /* it is accepted by now */
	close(fd);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	turn(); /* and its end is seen */
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = 64, .rlim_max = before.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	while ((more = dup(fd)) >= 0)
		cr_assert_lt(more, 64);
	reach(fd);
	tell(fd, "say\0late", 9);
	turn();
	cr_expect_eq(recv(fd, got, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	setrlimit(RLIMIT_NOFILE, &before);
	hear(fd);
	cr_expect_str_eq(got, "0[late]");
	close(fd);
}

Test(control_socket, silent_ones_when_the_daemon_ends)
{
	int fd;

	start();
	fd = dial();
	cr_expect_eq(say_hello(), 0);
	stop();
	cr_expect_eq(hear(fd), 0);
	close(fd);
	cr_expect_eq(say_hello(), 1);
}

/* --- the client ------------------------------------------------------------------------------ */

static void expect_said(const char *words)
{
	char text[1024];
	FILE *err = cr_get_redirected_stderr();
	size_t n;

	fflush(stderr);
	n = fread(text, 1, sizeof(text) - 1, err);
	text[n] = '\0';
	cr_expect_not_null(strstr(text, words), "\"%s\", expected \"%s\"", text, words);
}

Test(control_socket, client_and_nobody_there)
{
	cr_expect_eq(say_hello(), 1);
	expect_said("netbird-signal: \"say\" is no command of this program, and no daemon");
}

Test(control_socket, client_and_a_daemon_that_hangs)
{
	const struct sockaddr_un addr = address();
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	uint64_t begin = clock_ms();

	cr_assert_eq(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	cr_assert_eq(listen(fd, 0), 0);
	cr_expect_eq(control_client_call(path, (const char *[]){"say", NULL}, 300), 1);
	expect_said("does not answer");
	/* Its backlog is full now. */
	cr_expect_eq(control_client_call(path, (const char *[]){"say", NULL}, 300), 1);
	cr_expect_eq(control_client_call(path, (const char *[]){"say", NULL}, 300), 1);
	cr_expect_geq(clock_ms() - begin, 850);
	cr_expect_lt(clock_ms() - begin, 5000);
	close(fd);
}

static int rude; /* who answers what no daemon does */
static const char *rude_answer;

static void *answer_rudely(void *arg)
{
	int fd = accept(rude, NULL, NULL);
	char request[64];

	cr_assert_gt(recv(fd, request, sizeof(request), 0), 0);
	if (rude_answer != NULL)
		send(fd, rude_answer, strlen(rude_answer), MSG_NOSIGNAL);
	close(fd);
	return arg;
}

static void expect_rude(const char *answer, int status)
{
	pthread_t thread;

	rude_answer = answer;
	cr_assert_eq(pthread_create(&thread, NULL, answer_rudely, NULL), 0);
	cr_expect_eq(say_hello(), status);
	pthread_join(thread, NULL);
}

Test(control_socket, client_and_strange_answers)
{
	const struct sockaddr_un addr = address();

	rude = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	cr_assert_eq(bind(rude, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	cr_assert_eq(listen(rude, 5), 0);
	expect_rude("7", 7);
	expect_rude("x", 1);
	expect_rude(NULL, 1);
	expect_said("netbird-signal: the answer of the daemon is not understood");
	close(rude);
}

Test(control_socket, client_and_too_many_words)
{
	static const char *words[CONTROL_WORDS_MAX + 2];
	static char longest[CONTROL_REQUEST_MAX + 1];

	start();
	for (int i = 0; i < CONTROL_WORDS_MAX; i++)
		words[i] = i == 0 ? "say" : "x";
	cr_expect_eq(control_client_call(path, words, PATIENCE), 0);
	words[CONTROL_WORDS_MAX] = "x";
	cr_expect_eq(control_client_call(path, words, PATIENCE), 2);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[CONTROL_REQUEST_MAX - 5] = '\0'; /* with "say" and two NULs all that fits */
	words[1] = longest;
	words[2] = NULL;
	cr_expect_eq(control_client_call(path, words, PATIENCE), 0);
	longest[CONTROL_REQUEST_MAX - 5] = 'x';
	cr_expect_eq(control_client_call(path, words, PATIENCE), 2);
}

Test(control_socket, client_without_a_socket_in_the_configuration)
{
	cr_expect_eq(control_client_call("", (const char *[]){"say", NULL}, PATIENCE), 1);
	expect_said("[daemon] control-socket is empty");
}
