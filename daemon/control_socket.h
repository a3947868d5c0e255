/*
 * The control socket: an administrator's words come in, and the text of a command goes back.  A
 * Unix socket of packets (SOCK_SEQPACKET); one packet each way, then the daemon closes.
 *
 *   request  the words, each ended by NUL, together at most CONTROL_REQUEST_MAX bytes
 *   answer   '0' + exit status, then the text, at most COMMANDS_OUTPUT_MAX bytes
 *
 * Nobody is waited for: a client may be silent for CONTROL_PATIENCE_MS, and gives way at once when
 * there are CONTROL_CLIENTS_MAX and one more comes.  Everything is [main].
 */
#ifndef CONTROL_SOCKET_H
#define CONTROL_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#define CONTROL_REQUEST_MAX 4096
#define CONTROL_WORDS_MAX 64
#define CONTROL_CLIENTS_MAX 8
#define CONTROL_PATIENCE_MS 5000

struct commands;
struct control;
struct control_socket;

struct control_socket_settings {
	const char *path; /* "": no control socket */
	const char *user; /* whom the daemon becomes, and who gets it; "": it stays who it is */
	bool required;    /* without it the daemon does not start */
};

/* Before privileges are dropped.  *out is NULL if nobody needs one, or if it cannot be made and is
 * not required; that is a warning.  Otherwise a negative errno after a line in the log. */
int control_socket_open(struct control_socket **out, const struct control_socket_settings *settings,
                        struct control *control, struct commands *commands);
/* Takes no more, and removes the file if it is still ours and may be removed. */
void control_socket_close(struct control_socket *s);
/* Often: ends those that are silent. */
void control_socket_tick(struct control_socket *s, uint64_t now_ms);

#endif
