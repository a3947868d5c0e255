/* What a command prints is collected as it comes and made fit for a terminal at the end: it may
 * quote what a stranger sent, such as the answer of a certificate authority. */
#include "commands.h"

#include "log.h"
#include "options.h"
#include "printable.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 31

/* What has to fit behind a text that was cut off. */
#define CUT_OFF "\n(the rest is cut off)\n"
#define USAGE_MAX 1024

enum { DONE = 0, FAILED = 1, WRONG_WORDS = 2 };

struct command {
	struct command *next;
	const char *owner;
	const struct nbs_command *ops;
	void *arg;
};

struct commands {
	struct command *first; /* in the order in which they came */
};

struct nbs_call {
	char *text;
	size_t len, size;
	bool cut; /* something did not fit, or there was no memory for it */
};

int commands_open(struct commands **out)
{
	*out = calloc(1, sizeof(**out));
	return *out != NULL ? 0 : -ENOMEM;
}

void commands_close(struct commands *commands)
{
	struct command *c, *next;

	if (commands == NULL)
		return;
	for (c = commands->first; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	free(commands);
}

static bool valid_name(const char *name)
{
	size_t len = name != NULL ? strlen(name) : 0;

	return len > 0 && len <= NAME_MAX_BYTES && *name >= 'a' && *name <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* Where the command hangs, or the end of the list. */
static struct command **place(struct commands *commands, const char *name)
{
	struct command **at = &commands->first;

	while (*at != NULL && strcmp((*at)->ops->name, name) != 0)
		at = &(*at)->next;
	return at;
}

int commands_add(struct commands *commands, const char *owner, const struct nbs_command *ops,
                 void *arg)
{
	struct command **at, *c;

	if (!NBS_HAS(struct nbs_command, ops, run) || ops->run == NULL || !valid_name(ops->name))
		return -EINVAL;
	if (options_is_command(ops->name) || *(at = place(commands, ops->name)) != NULL)
		return -EEXIST;
	if ((c = malloc(sizeof(*c))) == NULL)
		return -ENOMEM;
	*c = (struct command){.owner = owner, .ops = ops, .arg = arg};
	*at = c;
	return 0;
}

bool commands_any(const struct commands *commands)
{
	return commands->first != NULL;
}

/* --- what is printed -------------------------------------------------------------------------- */

static bool make_room(struct nbs_call *call, size_t more)
{
	size_t size = call->size > 0 ? call->size : 256;
	char *text;

	if (call->len + more <= call->size)
		return true;
	while (size < call->len + more)
		size *= 2;
	if ((text = realloc(call->text, size)) == NULL)
		return false;
	call->text = text;
	call->size = size;
	return true;
}

/* Once something was lost nothing more is taken: text with a hole in it would mislead. */
static void append(struct nbs_call *call, const char *text, size_t len)
{
	const size_t left = COMMANDS_OUTPUT_MAX - call->len;

	if (call->cut)
		return;
	if (len > left) {
		len = left;
		call->cut = true;
	}
	if (!make_room(call, len)) {
		call->cut = true;
		return;
	}
	if (len > 0)
		memcpy(call->text + call->len, text, len);
	call->len += len;
}

void commands_print(struct nbs_call *call, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	if (call->cut)
		return;
	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		call->cut = true;
		return;
	}
	append(call, text, (size_t)n);
	free(text);
}

/* Copies text that may be shown, at most `room` bytes of it.  Returns how many there are; *all:
 * whether it was copied to its end. */
static size_t make_fit(char *to, size_t room, const char *text, size_t len, bool *all)
{
	size_t at = 0;

	while (len > 0) {
		const bool plain = *text == '\n' || *text == '\t';
		const size_t n = plain ? 1 : printable_length(text, len), need = n > 0 ? n : 4;
		char escaped[5];

		if (at + need > room)
			break;
		snprintf(escaped, sizeof(escaped), "\\x%02x", (unsigned char)*text);
		memcpy(to + at, n > 0 ? text : escaped, need);
		at += need;
		text += n > 0 ? n : 1;
		len -= n > 0 ? n : 1;
	}
	*all = len == 0;
	return at;
}

/* The whole answer: what was printed, a note if that was cut off, and `last`, which always fits. */
static int finish(const struct nbs_call *call, const char *last, char **output, size_t *len)
{
	const size_t note = strlen(CUT_OFF), tail = strlen(last);
	char *text = malloc(COMMANDS_OUTPUT_MAX);
	bool all;

	if (text == NULL)
		return -ENOMEM;
	*len = make_fit(text, COMMANDS_OUTPUT_MAX - note - tail, call->text, call->len, &all);
	if (!all || call->cut) {
		memcpy(text + *len, CUT_OFF, note);
		*len += note;
	}
	memcpy(text + *len, last, tail);
	*len += tail;
	*output = text;
	return 0;
}

/* --- calls ------------------------------------------------------------------------------------ */

static void say_unknown(const struct commands *commands, struct nbs_call *call, const char *name)
{
	const struct command *c;

	commands_print(call, "netbird-signal: unknown command \"%s\"; the running daemon knows",
	               name);
	for (c = commands->first; c != NULL; c = c->next)
		commands_print(call, "%s %s", c != commands->first ? "," : "", c->ops->name);
	commands_print(call, "%s; \"netbird-signal help\" lists those that need no daemon\n",
	               commands->first == NULL ? " none" : "");
}

static int call_command(const struct command *c, struct nbs_call *call, int argc,
                        const char *const *argv)
{
	int r = c->ops->run(c->arg, call, argc, argv);

	if (r == 0)
		return DONE;
	if (r == -EINVAL)
		return WRONG_WORDS;
	if (call->len == 0)
		commands_print(call, "%s: %s\n", c->ops->name,
		               r < 0 ? strerror(-r) : "the plugin gives no reason");
	return FAILED;
}

int commands_run(struct commands *commands, int argc, const char *const *argv, char **output,
                 size_t *len)
{
	const struct command *c = *place(commands, argv[0]);
	struct nbs_call call = {0};
	char usage[USAGE_MAX] = "";
	int status = WRONG_WORDS;

	if (c == NULL)
		say_unknown(commands, &call, argv[0]);
	else if ((status = call_command(c, &call, argc - 1, argv + 1)) == WRONG_WORDS)
		snprintf(usage, sizeof(usage), "usage: netbird-signal %s%s%s\n", c->ops->name,
		         c->ops->usage != NULL ? " " : "",
		         c->ops->usage != NULL ? c->ops->usage : "");
	if (c != NULL)
		log_debug("control", "command name=%s plugin=%s status=%d", c->ops->name, c->owner,
		          status);
	*output = NULL;
	*len = 0;
	if (finish(&call, usage, output, len) < 0)
		status = FAILED;
	free(call.text);
	return status;
}
