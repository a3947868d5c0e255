/*
 * The light transport: a peer, from its upgrade to its end.
 *
 * All of it belongs to the WebSocket's thread but for what the daemon's callbacks leave behind:
 * they may come on any thread, until peer_deregister() has returned, set a flag and wake.
 */
#include "light.h"

#include "note.h"
#include "peer_id.h"
#include "transport.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REGISTERED "registered" /* the text frame that says so */
#define ID_ROOM 1024 /* the registry refuses, and counts, what is longer than it allows */
#define ID_BRIEF 8   /* of a peer's id in a log line */

enum {
	DECIDED = 1u << 0,  /* verdict and why are set */
	MORE = 1u << 1,     /* the mailbox may hold something */
	REPLACED = 1u << 2, /* hang-ups */
	STALLED = 1u << 3,
	STOPPING = 1u << 4, /* end when the mailbox is empty */
};

struct light {
	struct socket socket;
	struct transport *t;
	struct nbs_ws *ws;
	struct nbs_peer *lease; /* NULL: none, or given back */
	struct half half;
	uint64_t conn; /* its id, for the log */

	atomic_uint flags;
	int verdict;
	char *why; /* of a refusal; NULL: none */

	struct nbs_msg *msg; /* what is being sent, or NULL for text of our own */
	const char *rest;    /* what is left of it */
	size_t left;
	unsigned piece; /* its flags */
	bool sending;
	bool full;    /* writable() will come */
	bool more;    /* the mailbox was not empty when it was last looked at */
	bool paused;  /* nothing is read before the registration */
	bool settled; /* the registration is decided and said */
	bool closing;
};

/* --- the end --- */

static void give_back(struct light *l)
{
	struct transport *t = l->t;

	if (l->lease == NULL)
		return;
	t->host->peer_deregister(l->lease);
	l->lease = NULL;
	sockets_lease(&t->sockets, -1);
	if (l->settled)
		metrics_add(&t->metrics, t->metrics.peers, -1);
}

static void sent(struct light *l)
{
	if (l->msg != NULL)
		l->t->host->msg_unref(l->msg);
	l->msg = NULL;
	l->sending = false;
}

/* Everything but the WebSocket. */
static void release(struct light *l)
{
	give_back(l);
	receive_reset(&l->t->receive, &l->half);
	sent(l);
}

/* The id is free at once, however long the client takes to answer the close. */
static void end(struct light *l, enum ending ending)
{
	const char *reason = ending_reason(ending);

	if (ending == END_REFUSED && l->why != NULL)
		reason = l->why;
	l->closing = true;
	release(l);
	note_ending(l->t, l->conn, ending, ending_code(ending));
	l->t->host->ws_close(l->ws, ending_code(ending), reason);
}

/* --- sending --- */

static void begin_sending(struct light *l, const void *bytes, size_t len, unsigned type)
{
	l->rest = bytes;
	l->left = len;
	l->piece = NBS_WS_FIRST | NBS_WS_FINAL | type;
	l->sending = true;
}

static bool take(struct light *l)
{
	struct nbs_host *host = l->t->host;

	if (!l->more) {
		/* Before the take: a wake that comes after it must not be lost. */
		l->more = atomic_fetch_and(&l->flags, ~(unsigned)MORE) & MORE;
		if (!l->more)
			return false;
	}
	l->msg = host->peer_take(l->lease);
	l->more = l->msg != NULL;
	if (l->more)
		begin_sending(l, l->msg->wire, l->msg->len, 0);
	return l->more;
}

static void write_rest(struct light *l)
{
	struct nbs_host *host = l->t->host;
	size_t n = host->ws_write(l->ws, l->rest, l->left, l->piece);

	l->full = n < l->left;
	if (n > 0) {
		l->piece &= ~(unsigned)(NBS_WS_FIRST | NBS_WS_TEXT);
		l->rest += n;
		l->left -= n;
	}
	if (!l->full)
		sent(l);
}

/* One message at a time is out of the mailbox: a client that does not read leaves the others
 * there, where they are bounded and its silence is noticed. */
static void send_due(struct light *l)
{
	unsigned flags;

	do {
		while (!l->full && (l->sending || take(l)))
			write_rest(l);
		flags = atomic_load(&l->flags);
	} while (!l->full && (flags & MORE));
	if (!l->full && (flags & STOPPING))
		end(l, END_STOPPING);
}

/* --- what the daemon asked for --- */

static void decided(struct light *l)
{
	struct transport *t = l->t;

	if (l->verdict < 0) {
		end(l, ending_of_verdict(l->verdict));
		return;
	}
	l->settled = true;
	metrics_add(&t->metrics, t->metrics.peers, 1);
	begin_sending(l, REGISTERED, strlen(REGISTERED), NBS_WS_TEXT);
	if (l->paused)
		t->host->ws_resume(l->ws);
}

/* Deals with everything that may have changed. */
static void settle(struct light *l)
{
	const unsigned flags = atomic_load(&l->flags);
	const int lost = receive_lost(&l->half);

	if (l->closing)
		return;
	if (sockets_told(&l->t->sockets, SOCKET_LIGHT))
		end(l, END_STOPPING);
	else if (flags & REPLACED)
		end(l, END_REPLACED);
	else if (flags & STALLED)
		end(l, END_STALLED);
	else if (lost < 0)
		end(l, ending_of_piece(lost));
	else if (!l->settled && (flags & DECIDED))
		decided(l);
	if (l->settled && !l->closing)
		send_due(l);
}

static void raise_flag(struct light *l, unsigned flag)
{
	atomic_fetch_or(&l->flags, flag);
	l->t->host->ws_wake(l->ws);
}

static void registered(void *cookie, int verdict, const char *why)
{
	struct light *l = cookie;

	l->verdict = verdict;
	if (verdict == -EACCES)
		l->why = strdup(why); /* NULL: the words of END_REFUSED */
	raise_flag(l, DECIDED);
}

static void wake(void *cookie)
{
	raise_flag(cookie, MORE);
}

static void hangup(void *cookie, enum nbs_reason why)
{
	switch (why) {
	case NBS_REPLACED:
		raise_flag(cookie, REPLACED);
		break;
	case NBS_STALLED:
		raise_flag(cookie, STALLED);
		break;
	case NBS_STOPPING:
		raise_flag(cookie, STOPPING);
		break;
	}
}

static const struct nbs_peer_ops peer_ops = {
    .size = sizeof(peer_ops),
    .registered = registered,
    .wake = wake,
    .hangup = hangup,
};

/* --- what the WebSocket says --- */

/* To whom it went, if to anybody, is no business of the sender's. */
static void forward(struct light *l, const struct iovec *message, int parts)
{
	struct transport *t = l->t;
	int r;

	metrics_add(&t->metrics, t->metrics.received, 1);
	r = t->host->forward(t->host, message, (size_t)parts, 0);
	if (r == -EBADMSG)
		end(l, END_MALFORMED);
	else if (r == -EMSGSIZE)
		end(l, END_TOO_LARGE);
	else
		receive_reset(&t->receive, &l->half);
}

static void light_message(void *cookie, const void *bytes, size_t len, unsigned flags)
{
	struct iovec message[ASSEMBLE_PARTS];
	struct light *l = cookie;
	int n;

	if (l->closing)
		return;
	if (!l->settled) {
		end(l, END_EARLY);
		return;
	}
	n = receive_piece(&l->t->receive, &l->half, bytes, len, flags, message);
	if (n > 0)
		forward(l, message, n);
	else if (n < 0)
		end(l, ending_of_piece(n));
}

static void light_writable(void *cookie)
{
	struct light *l = cookie;

	l->full = false;
	settle(l);
}

static void light_woken(void *cookie)
{
	settle(cookie);
}

static void light_closed(void *cookie, unsigned code)
{
	struct light *l = cookie;
	struct transport *t = l->t;

	if (!l->closing) {
		/* The first that is sent is the registration. */
		if (l->settled && l->sending && l->msg == NULL)
			t->host->peer_refused(t->host, NBS_REFUSED_FAILED_HEADER);
		note_ending(t, l->conn, code == 1006 ? END_LOST : END_CLIENT, code);
	}
	release(l);
	sockets_leave(&t->sockets, SOCKET_LIGHT, &l->socket);
	free(l->why);
	free(l);
}

static const struct nbs_ws_ops ws_ops = {
    .size = sizeof(ws_ops),
    .message = light_message,
    .writable = light_writable,
    .woken = light_woken,
    .closed = light_closed,
};

/* --- the upgrade --- */

static void log_begin(struct light *l, const char *id, int len)
{
	struct nbs_conn_about about = {.size = sizeof(about)};
	struct nbs_host *host = l->t->host;

	host->ws_about(l->ws, &about);
	l->conn = about.id;
	if (!host->log_enabled(host, NBS_DEBUG))
		return;
	host->log(host, NBS_DEBUG, "peer begins: id=%.*s.. conn=%llu remote=%s",
	          len < ID_BRIEF ? len : ID_BRIEF, id, (unsigned long long)about.id, about.remote);
}

static void register_peer(struct light *l, const char *id, size_t len)
{
	struct transport *t = l->t;
	int r = t->host->peer_register(t->host, id, len, &peer_ops, l, &l->lease);

	if (r < 0) {
		l->lease = NULL;
		end(l, ending_of_verdict(r));
		return;
	}
	sockets_lease(&t->sockets, 1);
	settle(l);
	if (!l->settled && !l->closing) {
		l->paused = true;
		t->host->ws_pause(l->ws);
	}
}

static int light_open(void *arg, struct nbs_ws *ws, const struct nbs_ws_ops **ops, void **cookie)
{
	struct transport *t = arg;
	struct light *l = calloc(1, sizeof(*l));
	char id[ID_ROOM];
	int len;

	if (l == NULL)
		return -ENOMEM;
	if (sockets_enter(&t->sockets, SOCKET_LIGHT, &l->socket, ws) < 0) {
		free(l);
		return -ESHUTDOWN;
	}
	l->t = t;
	l->ws = ws;
	l->half.ws = ws;
	atomic_init(&l->flags, 0);
	atomic_init(&l->half.lost, 0);
	*ops = &ws_ops;
	*cookie = l;
	len = peer_id_find(t->host, ws, id, sizeof(id));
	if (len > 0) {
		log_begin(l, id, len);
		register_peer(l, id, (size_t)len);
	} else if (len == -ENOSPC) {
		end(l, END_LONG_ID);
	} else {
		t->host->peer_refused(t->host, NBS_REFUSED_MISSING_ID);
		end(l, END_MISSING_ID);
	}
	return 0;
}

const struct nbs_ws_path light_path = {
    .size = sizeof(light_path),
    .path = "/signal/ws",
    .subprotocol = "netbird-signal.v1",
    .classes = NBS_PUBLIC,
    .open = light_open,
};
