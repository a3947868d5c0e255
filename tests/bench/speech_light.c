/* speech_light.c - a peer with netbird-signal.v1: each binary message of the WebSocket is one
 * EncryptedMessage, and the server's one text says that the peer is registered; see speech.h. */
#include "speech.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REGISTERED "registered"

/* The upgrade has asked for registration. */
static int begin(struct peer *p)
{
	(void)p;
	return 0;
}

static int hear_message(struct peer *p, const uint8_t *bytes, size_t len, bool text)
{
	if (!text)
		return p->shared->ops->message(p->shared->arg, p, bytes, len);
	if (p->registered || len != strlen(REGISTERED) || memcmp(bytes, REGISTERED, len) != 0)
		return peer_complain(p, "an unexpected text", EPROTO);
	p->registered = true;
	return p->shared->ops->registered(p->shared->arg, p);
}

static int hear(struct peer *p, const struct ws_piece *piece)
{
	uint8_t *grown;
	int r;

	if (p->pieces_len == 0 && piece->last) /* mostly all of it is here: no copy */
		return hear_message(p, piece->bytes, piece->len, piece->text);
	if ((grown = realloc(p->pieces, p->pieces_len + piece->len + 1)) == NULL)
		return peer_complain(p, "receive", ENOMEM);
	memcpy(grown + p->pieces_len, piece->bytes, piece->len);
	p->pieces = grown;
	p->pieces_len += piece->len;
	if (!piece->last)
		return 0;
	r = hear_message(p, p->pieces, p->pieces_len, piece->text);
	free(p->pieces);
	p->pieces = NULL;
	p->pieces_len = 0;
	return r;
}

static int call(struct peer *p, struct peer_call *call)
{
	int r = ws_send(p->ws, &p->wire, call->bytes + FRAME_PREFIX, call->len - FRAME_PREFIX);

	if (r < 0)
		return r;
	peer_want_flush(p);
	return p->shared->ops->answered(p->shared->arg, call);
}

static void end(struct peer *p)
{
	free(p->pieces);
}

const struct speech speech_light = {
    .begin = begin,
    .hear = hear,
    .call = call,
    .end = end,
};
