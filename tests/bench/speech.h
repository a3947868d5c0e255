/*
 * speech.h - what the files of a peer share: peer.c, which has its connection, and what is spoken
 * on it: HTTP/2 (speech_h2.c) or the light protocol (speech_light.c).
 */
#ifndef BENCH_SPEECH_H
#define BENCH_SPEECH_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

#include "peer.h"
#include "wire.h"
#include "ws.h"

#define SPEECH_BUFFER (256u << 10)

struct peer_shared {
	struct peer_target target;
	const struct peer_ops *ops;
	void *arg;
	struct wire_tls *tls; /* PEER_TLS */
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	uint8_t buffer[SPEECH_BUFFER]; /* nothing stays in it from one call to the next */
};

struct peer {
	struct peer_shared *shared;
	const struct speech *speech;
	struct wire wire;
	struct ws *ws; /* NULL: none */
	int error;     /* negative errno, from inside a callback */
	bool registered, busy;
	char id[FRAME_ID];
	/* HTTP/2 */
	nghttp2_session *session;
	int32_t stream; /* the ConnectStream */
	struct frame_reader in;
	/* the light protocol: the pieces of a message */
	uint8_t *pieces;
	size_t pieces_len;
};

struct speech {
	int (*begin)(struct peer *p);
	/* What arrives: a piece of a WebSocket's message, or just bytes. */
	int (*hear)(struct peer *p, const struct ws_piece *piece);
	int (*call)(struct peer *p, struct peer_call *call);
	/* Moves what is to be said now into `out`, at most `room`; 0: nothing.  NULL: it never has
	 * to be asked. */
	ssize_t (*gather)(struct peer *p, uint8_t *out, size_t room);
	bool (*has_more)(struct peer *p); /* to gather; NULL like gather */
	void (*end)(struct peer *p);
};

extern const struct speech speech_h2, speech_light;
/* -ENOMEM. */
int speech_h2_share(struct peer_shared *s);
void speech_h2_unshare(struct peer_shared *s);

/* Says what is wrong, sets p->error and returns it: -err. */
int peer_complain(struct peer *p, const char *what, int err);
void peer_want_flush(struct peer *p);

#endif
