/*
 * frame.h - what travels: an EncryptedMessage behind gRPC's prefix of five bytes.
 * One thread.  Errors are negative errno; nothing is logged here.
 */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_ID 44       /* bytes in every peer id here, as in a base64 key */
#define FRAME_PREFIX 5    /* bytes of gRPC before each message */
#define FRAME_BODY_MIN 16 /* the stamp at the head of the body */

/* A message to be sent, made once and addressed anew for each use. */
struct frame {
	uint8_t *bytes; /* prefix and message */
	size_t len;
	uint8_t *from, *to, *body; /* into bytes */
	size_t body_len;
};

/* Says which slot of the sender a message came from, and when (CLOCK_MONOTONIC). */
struct frame_stamp {
	uint64_t slot;
	uint64_t sent_ns;
};

/* The fields of a message that arrived, pointing into it. */
struct frame_view {
	const uint8_t *from, *to, *body;
	size_t from_len, to_len, body_len;
};

/* Joins the pieces in which a stream arrives.  Zeroed before use. */
struct frame_reader {
	uint8_t *held;
	size_t len, room;
};

/* body_len >= FRAME_BODY_MIN.  -ENOMEM. */
int frame_new(struct frame *f, size_t body_len);
void frame_free(struct frame *f);
void frame_address(struct frame *f, const char from[static FRAME_ID],
                   const char to[static FRAME_ID], const struct frame_stamp *stamp);
/* 1 if what arrived has the sender, receiver and body of `f`. */
int frame_matches(const struct frame *f, const struct frame_view *v);

/* -EBADMSG: no EncryptedMessage with all three fields, or too short a body for a stamp. */
int frame_parse(struct frame_view *v, struct frame_stamp *stamp, const uint8_t *msg, size_t len);

/*
 * Hands each whole message in the stream to message(); `msg` is lent.  What message() returns
 * below 0 ends the reading and is returned.  -EBADMSG: compressed, or over 16 MiB.  -ENOMEM.
 */
int frame_read(struct frame_reader *r, const uint8_t *bytes, size_t len,
               int (*message)(void *arg, const uint8_t *msg, size_t len), void *arg);
void frame_reader_free(struct frame_reader *r);

#endif
