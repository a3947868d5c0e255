/*
 * Commands for the administrator: who has which, and one call of one.  control_socket.c brings
 * the words and takes the answer.  Everything is [main].
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <netbird-signal/plugin.h>

#include <stdbool.h>
#include <stddef.h>

/* What a call may print, in bytes; the rest is cut off. */
#define COMMANDS_OUTPUT_MAX (64 * 1024)

struct commands;

int commands_open(struct commands **out);
void commands_close(struct commands *commands);

/* See nbs_host.command_register. */
int commands_add(struct commands *commands, const char *owner, const struct nbs_command *ops,
                 void *arg);
/* Whether there is any; without, nobody needs a control socket. */
bool commands_any(const struct commands *commands);

/* Runs one: argv[0] is its name, argv[argc] is NULL.  *output is its text (not ended by NUL, fit
 * for a terminal, at most COMMANDS_OUTPUT_MAX), to be freed; NULL when out of memory.  Returns the
 * exit status: 0, 1, or 2 with a text that says which words are right. */
int commands_run(struct commands *commands, int argc, const char *const *argv, char **output,
                 size_t *len);
/* See nbs_host.call_print. */
void commands_print(struct nbs_call *call, const char *fmt, ...) NBS_PRINTF(2, 3);

#endif
