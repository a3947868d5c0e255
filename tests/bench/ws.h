/*
 * ws.h - the client's side of one WebSocket (RFC 6455) on a wire: the upgrade, messages of either
 * kind, answers to pings.  Strict about what a server may send.  One thread.  Errors are negative
 * errno and already reported on stderr, except those of the wire.
 */
#ifndef BENCH_WS_H
#define BENCH_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

struct ws_piece {
	const uint8_t *bytes; /* lent */
	size_t len;
	bool text;
	bool last; /* the message ends with it */
};

/* Callbacks, from inside ws_read().  A negative return ends the reading and is returned. */
struct ws_ops {
	int (*open)(void *arg); /* the upgrade is done */
	int (*piece)(void *arg, const struct ws_piece *piece);
};

#define WS_HEAD_MAX 14
#define WS_CONTROL_MAX 125

/* The caller keeps it; zeroed before use. */
struct ws {
	const char *protocol; /* asked for, and expected; NULL: none */
	bool open;
	uint32_t random; /* of the masks, which need not be hard to guess here */
	char *answer;    /* to the upgrade, as far as it came */
	size_t answer_len;
	uint8_t head[WS_HEAD_MAX];
	uint8_t head_len;
	uint8_t opcode; /* of the frame */
	bool final;
	bool in_message, text;
	bool in_frame;
	uint64_t left; /* of the frame's payload */
	uint8_t control[WS_CONTROL_MAX];
	uint8_t control_len;
};

void ws_free(struct ws *ws);

/* What this appends to the wire is for the caller to flush; so is a pong after ws_read(). */
int ws_ask(struct ws *ws, struct wire *w, const char *target, const char *protocol);
int ws_read(struct ws *ws, struct wire *w, const uint8_t *bytes, size_t len,
            const struct ws_ops *ops, void *arg);
/* One binary message in one frame. */
int ws_send(struct ws *ws, struct wire *w, const uint8_t *bytes, size_t len);

#endif
