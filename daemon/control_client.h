/* The other end of the control socket: a command of the running daemon, for the command line. */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

/* How long the daemon may take, in all. */
#define CONTROL_CLIENT_MS 10000

/*
 * Takes the words (the command's name first, NULL at the end) to the daemon behind `path` and
 * prints its answer, for status 2 on stderr.  Returns the exit status: the daemon's, or 1 after a
 * line on stderr if there was no answer, or 2 if the words are too many or too long.
 */
int control_client_call(const char *path, const char *const *words, unsigned timeout_ms);

#endif
