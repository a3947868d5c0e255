/*
 * Commands for the administrator: which names are taken, and what becomes of what one prints.
 */
#include "commands.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct commands *commands;
static int result, calls, seen_argc;
static const char *seen_first;
static void (*printer)(struct nbs_call *call);
static char *output;
static size_t output_len;

static void setup(void)
{
	cr_assert_eq(commands_open(&commands), 0);
}

static void teardown(void)
{
	free(output);
	commands_close(commands);
}

TestSuite(commands, .init = setup, .fini = teardown);

static int run(void *arg, struct nbs_call *call, int argc, const char *const *argv)
{
	calls++;
	seen_argc = argc;
	seen_first = argv[0];
	cr_expect_null(argv[argc]);
	cr_expect_eq(arg, &calls);
	if (printer)
		printer(call);
	return result;
}

static const struct nbs_command good = {sizeof(good), "cert", "status | renew", run};

static void add(const struct nbs_command *command, int expected)
{
	cr_expect_eq(commands_add(commands, "test", command, &calls), expected, "%s: expected %d",
	             command->name ? command->name : "(none)", expected);
}

/* Runs "cert WORD"; word may be NULL. */
static int cert(const char *word)
{
	const char *argv[] = {"cert", word, NULL};

	free(output);
	return commands_run(commands, word ? 2 : 1, argv, &output, &output_len);
}

static void expect_output(const char *text)
{
	cr_assert_not_null(output);
	cr_expect_eq(output_len, strlen(text), "%.*s", (int)output_len, output);
	cr_expect_eq(strncmp(output, text, output_len), 0, "%.*s", (int)output_len, output);
}

Test(commands, names)
{
	static const char *const bad[] = {
	    "",      "-x",        "1x",  "Cert", "ce rt",
	    "ce_rt", "z\303\244", "x\n", "a/b",  "a2345678901234567890123456789012"};
	static const char *const ours[] = {"run", "check", "plugins", "version", "help"};
	static const struct nbs_command longest = {sizeof(longest),
	                                           "a234567890123456789012345678901", NULL, run};
	struct nbs_command c = good;

	cr_expect_not(commands_any(commands));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		c.name = bad[i];
		add(&c, -EINVAL);
	}
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		c.name = ours[i];
		add(&c, -EEXIST);
	}
	c.name = NULL;
	add(&c, -EINVAL);
	cr_expect_not(commands_any(commands));
	add(&good, 0);
	cr_expect(commands_any(commands));
	add(&longest, 0);
	add(&good, -EEXIST);
}

Test(commands, a_struct_without_its_function)
{
	struct nbs_command c = good;

	c.run = NULL;
	add(&c, -EINVAL);
	c = good;
	c.size = offsetof(struct nbs_command, run);
	add(&c, -EINVAL);
}

static void print_two(struct nbs_call *call)
{
	commands_print(call, "%s %d\n", "one", 1);
	commands_print(call, "two");
}

Test(commands, words_in_and_text_out)
{
	add(&good, 0);
	printer = print_two;
	cr_expect_eq(cert("status"), 0);
	cr_expect_eq(calls, 1);
	cr_expect_eq(seen_argc, 1);
	cr_expect_str_eq(seen_first, "status");
	expect_output("one 1\ntwo");
	printer = NULL;
	cr_expect_eq(cert(NULL), 0);
	cr_expect_eq(seen_argc, 0);
	expect_output("");
}

Test(commands, wrong_words)
{
	static const struct nbs_command plain = {sizeof(plain), "plain", NULL, run};
	const char *argv[] = {"plain", NULL};

	add(&good, 0);
	add(&plain, 0);
	result = -EINVAL;
	cr_expect_eq(cert("nonsense"), 2);
	expect_output("usage: netbird-signal cert status | renew\n");
	printer = print_two;
	cr_expect_eq(cert("nonsense"), 2);
	expect_output("one 1\ntwousage: netbird-signal cert status | renew\n");
	printer = NULL;
	free(output);
	cr_expect_eq(commands_run(commands, 1, argv, &output, &output_len), 2);
	expect_output("usage: netbird-signal plain\n");
}

Test(commands, failures)
{
	add(&good, 0);
	result = -ENOSPC;
	cr_expect_eq(cert("renew"), 1);
	expect_output("cert: No space left on device\n");
	printer = print_two;
	cr_expect_eq(cert("renew"), 1);
	expect_output("one 1\ntwo");
	printer = NULL;
	result = 5; /* against the contract */
	cr_expect_eq(cert("renew"), 1);
	expect_output("cert: the plugin gives no reason\n");
}

Test(commands, unknown)
{
	static const char end[] = "; \"netbird-signal help\" lists those that need no daemon\n";
	static const struct nbs_command other = {sizeof(other), "other", NULL, run};
	char text[256];

	snprintf(text, sizeof(text),
	         "netbird-signal: unknown command \"cert\"; the running daemon "
	         "knows none%s",
	         end);
	cr_expect_eq(cert(NULL), 2);
	expect_output(text);
	add(&other, 0);
	snprintf(text, sizeof(text),
	         "netbird-signal: unknown command \"cert\"; the running daemon "
	         "knows other%s",
	         end);
	cr_expect_eq(cert(NULL), 2);
	expect_output(text);
	cr_expect_eq(calls, 0);
}

static void print_dirt(struct nbs_call *call)
{
	commands_print(call, "tab\t \033[31m\r\b\177 caf\303\251 c1 \302\233 half \303\n");
}

/* A certificate authority's words may be in it, or those of who pretends to be one. */
Test(commands, nothing_that_a_terminal_obeys)
{
	add(&good, 0);
	printer = print_dirt;
	cr_expect_eq(cert(NULL), 0);
	expect_output("tab\t \\x1b[31m\\x0d\\x08\\x7f caf\303\251 c1 \\xc2\\x9b half \\xc3\n");
}

static size_t flood_bytes;
static char flood_byte;

static void print_flood(struct nbs_call *call)
{
	char line[101];

	memset(line, flood_byte, 100);
	line[100] = '\0';
	for (size_t left = flood_bytes; left > 0;) {
		size_t n = left < 100 ? left : 100;

		commands_print(call, "%.*s", (int)n, line);
		left -= n;
	}
}

static void expect_flood(size_t bytes, char byte, bool cut)
{
	static const char note[] = "\n(the rest is cut off)\n";
	bool has;

	flood_bytes = bytes;
	flood_byte = byte;
	cr_expect_eq(cert(NULL), result == 0 ? 0 : 2);
	cr_assert_leq(output_len, COMMANDS_OUTPUT_MAX);
	has = memmem(output, output_len, note, strlen(note)) != NULL;
	cr_expect_eq(has, cut, "%zu bytes: %zu", bytes, output_len);
	if (cut)
		cr_expect_geq(output_len, COMMANDS_OUTPUT_MAX - 4, "%zu", output_len);
}

Test(commands, too_much_is_cut_off_and_says_so)
{
	add(&good, 0);
	printer = print_flood;
	expect_flood(COMMANDS_OUTPUT_MAX - 100, 'x', false);
	cr_expect_eq(output_len, COMMANDS_OUTPUT_MAX - 100);
	expect_flood(COMMANDS_OUTPUT_MAX, 'x', true);
	expect_flood(10 * COMMANDS_OUTPUT_MAX, 'x', true);
	/* Each byte becomes four. */
	expect_flood(COMMANDS_OUTPUT_MAX / 4 - 100, '\1', false);
	expect_flood(COMMANDS_OUTPUT_MAX / 4 + 100, '\1', true);
	/* The usage is there all the same. */
	result = -EINVAL;
	expect_flood(10 * COMMANDS_OUTPUT_MAX, 'x', true);
	cr_expect_eq(memcmp(output + output_len - 6, "renew\n", 6), 0);
}
