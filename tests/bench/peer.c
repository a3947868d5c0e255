/* peer.c - the connection of one peer, and which transport is made of what; see peer.h. */
#include "peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "speech.h"

static const struct transport {
	const char *name;
	const struct speech *speech;
	bool tls;
	const char *path; /* of a WebSocket; the id follows if there is a protocol */
	const char *protocol;
} transports[PEER_TRANSPORTS] = {
    [PEER_GRPC] = {"grpc", &speech_h2, false, NULL, NULL},
    [PEER_TLS] = {"tls", &speech_h2, true, NULL, NULL},
    [PEER_TUNNEL] = {"tunnel", &speech_h2, false, "/ws-proxy/signal", NULL},
    [PEER_LIGHT] = {"light", &speech_light, false, "/signal/ws?peer=", "netbird-signal.v1"},
};

const char *peer_transport_name(unsigned transport)
{
	return transport < PEER_TRANSPORTS ? transports[transport].name : NULL;
}

int peer_complain(struct peer *p, const char *what, int err)
{
	fprintf(stderr, "loadgen: peer %.8s: %s: %s\n", p->id, what, strerror(err));
	p->error = -err;
	return -err;
}

void peer_want_flush(struct peer *p)
{
	if (p->busy)
		return;
	p->busy = true;
	p->shared->ops->busy(p->shared->arg, p);
}

/* --- what arrives --------------------------------------------------------------------------- */

static int on_open(void *arg)
{
	peer_want_flush(arg);
	return 0;
}

static int on_piece(void *arg, const struct ws_piece *piece)
{
	struct peer *p = arg;

	return p->speech->hear(p, piece);
}

static int hear(struct peer *p, const uint8_t *bytes, size_t len)
{
	static const struct ws_ops ops = {.open = on_open, .piece = on_piece};
	struct ws_piece piece = {.bytes = bytes, .len = len};

	if (p->ws != NULL)
		return ws_read(p->ws, &p->wire, bytes, len, &ops, p);
	return p->speech->hear(p, &piece);
}

int peer_ready(struct peer *p)
{
	uint8_t *buf = p->shared->buffer;
	ssize_t n;
	int r;

	do {
		n = wire_recv(&p->wire, buf, SPEECH_BUFFER);
		if (n == 0)
			return peer_complain(p, "the server closed the connection", ECONNRESET);
		if (n < 0 && n != -EAGAIN)
			return peer_complain(p, "receive", (int)-n);
		if (n > 0 && (r = hear(p, buf, (size_t)n)) < 0)
			return r;
	} while (n == (ssize_t)SPEECH_BUFFER || (n > 0 && p->wire.ssl != NULL));
	if (p->wire.unsent_len > 0 || (p->speech->has_more != NULL && p->speech->has_more(p)))
		peer_want_flush(p);
	return 0;
}

/* --- what is sent --------------------------------------------------------------------------- */

int peer_call(struct peer *p, struct peer_call *call)
{
	return p->speech->call(p, call);
}

/* 0: the socket took all; 1: the rest is kept until it is writable. */
static int say(struct peer *p, const uint8_t *bytes, size_t len)
{
	int r;

	if (p->ws == NULL)
		return wire_send(&p->wire, bytes, len);
	if ((r = ws_send(p->ws, &p->wire, bytes, len)) < 0)
		return r;
	return wire_flush(&p->wire);
}

int peer_flush(struct peer *p)
{
	uint8_t *buf = p->shared->buffer;
	ssize_t n;
	int r;

	p->busy = false;
	r = wire_flush(&p->wire);
	if (r == 0 && (p->speech->gather == NULL || (p->ws != NULL && !p->ws->open)))
		return 0;
	while (r == 0) {
		if ((n = p->speech->gather(p, buf, SPEECH_BUFFER)) <= 0)
			return (int)n;
		r = say(p, buf, (size_t)n);
	}
	return r < 0 ? peer_complain(p, "send", -r) : 0;
}

/* --- beginning and end ---------------------------------------------------------------------- */

int peer_shared_new(struct peer_shared **sp, const struct peer_target *target,
                    const struct peer_ops *ops, void *arg)
{
	struct peer_shared *s;
	int r = -ENOMEM;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		goto err0;
	s->target = *target;
	s->ops = ops;
	s->arg = arg;
	if ((r = speech_h2_share(s)) < 0)
		goto err1;
	if (transports[target->transport].tls && (r = wire_tls_new(&s->tls, target->ca)) < 0)
		goto err2;
	*sp = s;
	return 0;
err2:
	speech_h2_unshare(s);
err1:
	free(s);
err0:
	fprintf(stderr, "loadgen: %s\n", strerror(-r));
	return r;
}

void peer_shared_free(struct peer_shared *s)
{
	if (s == NULL)
		return;
	wire_tls_free(s->tls);
	speech_h2_unshare(s);
	free(s);
}

/* As a part of a query: of base64 the three that are not letters or digits. */
static void write_id(char *out, const char id[static FRAME_ID])
{
	for (int i = 0; i < FRAME_ID; i++)
		if (strchr("+/=", id[i]) != NULL)
			out += sprintf(out, "%%%02X", (unsigned)id[i]);
		else
			*out++ = id[i];
	*out = '\0';
}

static int ask_for_websocket(struct peer *p, const struct transport *t)
{
	char target[64 + 3 * FRAME_ID + 1];
	char *id;

	if ((p->ws = calloc(1, sizeof(*p->ws))) == NULL)
		return peer_complain(p, "connect", ENOMEM);
	id = stpcpy(target, t->path);
	if (t->protocol != NULL)
		write_id(id, p->id);
	peer_want_flush(p);
	return ws_ask(p->ws, &p->wire, target, t->protocol);
}

int peer_open(struct peer **pp, struct peer_shared *s, const char id[static FRAME_ID])
{
	const struct transport *t = &transports[s->target.transport];
	struct peer *p;
	int r;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return -ENOMEM;
	p->shared = s;
	p->speech = t->speech;
	memcpy(p->id, id, FRAME_ID);
	if ((r = wire_open(&p->wire, &s->target.addr, s->tls)) < 0) {
		peer_complain(p, "connect", -r);
		goto err;
	}
	if (t->path != NULL && (r = ask_for_websocket(p, t)) < 0)
		goto err;
	if ((r = p->speech->begin(p)) < 0)
		goto err;
	*pp = p;
	return 0;
err:
	peer_close(p);
	return r;
}

void peer_close(struct peer *p)
{
	if (p == NULL)
		return;
	p->speech->end(p);
	if (p->ws != NULL)
		ws_free(p->ws);
	free(p->ws);
	wire_close(&p->wire);
	free(p);
}

int peer_fd(const struct peer *p)
{
	return p->wire.fd;
}

const char *peer_id(const struct peer *p)
{
	return p->id;
}
