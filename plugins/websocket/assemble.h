/*
 * From the pieces of WebSocket messages to whole messages.  Knows no socket, no thread and no
 * clock: bytes and flags go in, messages come out.  A message that comes in one piece is never
 * copied, and nothing is allocated unless a message is half here.
 */
#ifndef ASSEMBLE_H
#define ASSEMBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* One receiver; begins as all zeros. */
struct assembly {
	unsigned char *bytes; /* what came of a message that is half here, or NULL */
	size_t len, cap;
	bool half; /* a message has begun and not ended; it may be empty so far */
};

/* The most that assemble_piece() makes of one message. */
#define ASSEMBLE_PARTS 2

/*
 * One piece with its NBS_WS_ flags.  Returns how many parts of message[] make up one whole
 * message (1 or 2, each may be empty): lent, of `bytes` and of the assembly.  0: more is to come.
 * -EMSGSIZE: longer than max, as soon as that is certain.  -EPROTOTYPE: text.  -EPROTO: a message
 * begins inside another, or goes on without a beginning.  -ENOMEM.
 * After all but 0 assemble_reset() is due before the next piece.
 */
int assemble_piece(struct assembly *a, const void *bytes, size_t len, unsigned flags, size_t max,
                   struct iovec message[static ASSEMBLE_PARTS]);
/* How large a buffer that piece will need in place of the one of a->cap bytes; a->cap: no other. */
size_t assemble_need(const struct assembly *a, size_t len, unsigned flags, size_t max);
/* Forgets what is half here. */
void assemble_reset(struct assembly *a);

#endif
