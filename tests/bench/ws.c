/* ws.c - a WebSocket client on a wire; see ws.h. */
#include "ws.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The key of a handshake is to keep caches from answering; one for all will do here. */
#define KEY "bmV0YmlyZC1zaWduYWwhIQ=="
#define ACCEPT "/OiSV6ZOgZ/Zsfc9KOLFJSLWtsU="
#define ANSWER_MAX 4096

enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };
enum { FIN = 0x80, RSV = 0x70, MASK = 0x80, LEN16 = 126, LEN64 = 127 };

static int complain(const char *what, int err)
{
	fprintf(stderr, "loadgen: WebSocket: %s\n", what);
	return -err;
}

/* --- the upgrade ---------------------------------------------------------------------------- */

int ws_ask(struct ws *ws, struct wire *w, const char *target, const char *protocol)
{
	char text[512];
	uint8_t *at;
	int n;

	n = snprintf(text, sizeof(text),
	             "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
	             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	             "Sec-WebSocket-Key: " KEY "\r\n%s%s%s\r\n",
	             target, protocol != NULL ? "Sec-WebSocket-Protocol: " : "",
	             protocol != NULL ? protocol : "", protocol != NULL ? "\r\n" : "");
	if (n < 0 || n >= (int)sizeof(text))
		return complain("the upgrade is too long", EINVAL);
	if ((at = wire_append(w, (size_t)n)) == NULL)
		return complain("no memory", ENOMEM);
	memcpy(at, text, (size_t)n);
	ws->protocol = protocol;
	ws->random = (uint32_t)w->fd * 2654435761u + 1;
	return 0;
}

/* Whether a header field is there with this value. */
static bool has_field(const char *head, const char *name, const char *value)
{
	size_t name_len = strlen(name), value_len = strlen(value);
	const char *line = head;

	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
			continue;
		line += name_len + 1;
		line += strspn(line, " \t");
		if (strncmp(line, value, value_len) == 0 &&
		    strncmp(line + value_len + strspn(line + value_len, " \t"), "\r\n", 2) == 0)
			return true;
	}
	return false;
}

static int check_answer(const struct ws *ws)
{
	if (strncmp(ws->answer, "HTTP/1.1 101 ", 13) != 0) {
		fprintf(stderr, "loadgen: WebSocket: the server answers %.*s\n",
		        (int)strcspn(ws->answer, "\r"), ws->answer);
		return -EPROTO;
	}
	if (!has_field(ws->answer, "Sec-WebSocket-Accept", ACCEPT))
		return complain("the server's Sec-WebSocket-Accept is wrong", EPROTO);
	if (ws->protocol != NULL && !has_field(ws->answer, "Sec-WebSocket-Protocol", ws->protocol))
		return complain("the server does not speak the subprotocol", EPROTO);
	return 0;
}

/* Returns how many of the bytes were the answer's. */
static ssize_t read_answer(struct ws *ws, const uint8_t *bytes, size_t len)
{
	size_t before = ws->answer_len, take = len;
	const char *end;

	if (take > ANSWER_MAX - before)
		take = ANSWER_MAX - before;
	if (ws->answer == NULL && (ws->answer = malloc(ANSWER_MAX + 1)) == NULL)
		return complain("no memory", ENOMEM);
	memcpy(ws->answer + before, bytes, take);
	ws->answer_len += take;
	ws->answer[ws->answer_len] = '\0';
	if ((end = strstr(ws->answer, "\r\n\r\n")) == NULL)
		return ws->answer_len < ANSWER_MAX ? (ssize_t)take
		                                   : complain("the answer has no end", EPROTO);
	ws->open = true;
	return end + 4 - ws->answer - (ssize_t)before;
}

/* --- what is sent --------------------------------------------------------------------------- */

static uint32_t next_mask(struct ws *ws)
{
	ws->random ^= ws->random << 13;
	ws->random ^= ws->random >> 17;
	ws->random ^= ws->random << 5;
	return ws->random;
}

static int send_frame(struct ws *ws, struct wire *w, unsigned opcode, const uint8_t *bytes,
                      size_t len)
{
	unsigned octets = len < LEN16 ? 0 : len <= UINT16_MAX ? 2 : 8;
	uint32_t mask = next_mask(ws);
	uint8_t *at, key[4];

	if ((at = wire_append(w, 2 + octets + sizeof(key) + len)) == NULL)
		return complain("no memory", ENOMEM);
	memcpy(key, &mask, sizeof(key));
	*at++ = (uint8_t)(FIN | opcode);
	*at++ = (uint8_t)(MASK | (octets == 0 ? len : octets == 2 ? LEN16 : LEN64));
	while (octets-- > 0)
		*at++ = (uint8_t)((uint64_t)len >> 8 * octets);
	memcpy(at, key, sizeof(key));
	at += sizeof(key);
	for (size_t i = 0; i < len; i++)
		at[i] = bytes[i] ^ key[i & 3];
	return 0;
}

int ws_send(struct ws *ws, struct wire *w, const uint8_t *bytes, size_t len)
{
	return send_frame(ws, w, BINARY, bytes, len);
}

/* --- what arrives --------------------------------------------------------------------------- */

static size_t head_size(const struct ws *ws)
{
	unsigned len = ws->head[1] & ~MASK;

	return ws->head_len < 2 ? 2 : len == LEN16 ? 4 : len == LEN64 ? 10 : 2;
}

static int begin_frame(struct ws *ws)
{
	unsigned head = ws->head[0], size = ws->head[1];

	ws->opcode = head & 0x0f;
	ws->final = head & FIN;
	ws->left = size;
	if (size >= LEN16) {
		ws->left = 0;
		for (unsigned i = 2; i < ws->head_len; i++)
			ws->left = ws->left << 8 | ws->head[i];
	}
	ws->head_len = 0;
	ws->in_frame = true;
	if ((head & RSV) != 0 || (size & MASK) != 0)
		return complain("a frame with a reserved bit or a mask", EPROTO);
	if (ws->opcode >= CLOSE) {
		ws->control_len = 0;
		return ws->opcode <= PONG && ws->final && ws->left <= WS_CONTROL_MAX
		           ? 0
		           : complain("a bad control frame", EPROTO);
	}
	if (ws->opcode > BINARY || (ws->opcode == CONTINUATION) != ws->in_message)
		return complain("a frame out of place", EPROTO);
	if (!ws->in_message)
		ws->text = ws->opcode == TEXT;
	ws->in_message = !ws->final;
	return 0;
}

static int end_control(struct ws *ws, struct wire *w)
{
	unsigned code = 1005; /* RFC 6455: none came */

	if (ws->opcode == PING)
		return send_frame(ws, w, PONG, ws->control, ws->control_len);
	if (ws->opcode == PONG)
		return 0;
	if (ws->control_len >= 2)
		code = (unsigned)ws->control[0] << 8 | ws->control[1];
	fprintf(stderr, "loadgen: WebSocket: the server closes with %u %.*s\n", code,
	        ws->control_len > 2 ? ws->control_len - 2 : 0, (const char *)ws->control + 2);
	return -ECONNRESET;
}

/* Returns how many of the bytes it took. */
static ssize_t read_payload(struct ws *ws, struct wire *w, const uint8_t *bytes, size_t len,
                            const struct ws_ops *ops, void *arg)
{
	size_t take = ws->left < len ? (size_t)ws->left : len;
	struct ws_piece piece = {.bytes = bytes, .len = take, .text = ws->text};
	int r = 0;

	ws->left -= take;
	ws->in_frame = ws->left > 0;
	if (ws->opcode >= CLOSE) {
		memcpy(ws->control + ws->control_len, bytes, take);
		ws->control_len = (uint8_t)(ws->control_len + take);
		if (!ws->in_frame)
			r = end_control(ws, w);
	} else {
		piece.last = ws->final && !ws->in_frame;
		r = ops->piece(arg, &piece);
	}
	return r < 0 ? r : (ssize_t)take;
}

static ssize_t read_some(struct ws *ws, struct wire *w, const uint8_t *bytes, size_t len,
                         const struct ws_ops *ops, void *arg)
{
	ssize_t n;
	int r;

	if (!ws->open) {
		n = read_answer(ws, bytes, len);
		if (n < 0 || !ws->open)
			return n;
		if ((r = check_answer(ws)) < 0 || (r = ops->open(arg)) < 0)
			return r;
		ws_free(ws);
		return n;
	}
	if (ws->in_frame)
		return read_payload(ws, w, bytes, len, ops, arg);
	ws->head[ws->head_len++] = *bytes;
	if (ws->head_len < head_size(ws))
		return 1;
	if ((r = begin_frame(ws)) < 0)
		return r;
	if (ws->left == 0 && (n = read_payload(ws, w, bytes, 0, ops, arg)) < 0)
		return n;
	return 1;
}

int ws_read(struct ws *ws, struct wire *w, const uint8_t *bytes, size_t len,
            const struct ws_ops *ops, void *arg)
{
	size_t used = 0;
	ssize_t n;

	while (used < len) {
		if ((n = read_some(ws, w, bytes + used, len - used, ops, arg)) < 0)
			return (int)n;
		used += (size_t)n;
	}
	return 0;
}

void ws_free(struct ws *ws)
{
	free(ws->answer);
	ws->answer = NULL;
}
