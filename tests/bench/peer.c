/* peer.c - one peer on nghttp2; see peer.h. */
#include "peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define BUFFER (256u << 10)
#define ONE_WRITE (64u << 10) /* no frame of nghttp2's is larger than 16 KiB and a head */

struct peer_shared {
	struct sockaddr_storage addr;
	const struct peer_ops *ops;
	void *arg;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	uint8_t buffer[BUFFER]; /* nothing stays in it from one call to the next */
};

struct peer {
	struct peer_shared *shared;
	nghttp2_session *session;
	int fd;
	int error;      /* negative errno, from inside a callback of nghttp2 */
	int32_t stream; /* the ConnectStream */
	bool registered, busy;
	uint8_t *unsent; /* what the socket did not take */
	size_t unsent_len, unsent_at;
	struct frame_reader in;
	char id[FRAME_ID];
};

static int complain(struct peer *p, const char *what, int err)
{
	fprintf(stderr, "loadgen: peer %.8s: %s: %s\n", p->id, what, strerror(err));
	p->error = -err;
	return -err;
}

static int complain_h2(struct peer *p, const char *what, ssize_t err)
{
	if (p->error == 0) { /* otherwise a callback has already said why */
		fprintf(stderr, "loadgen: peer %.8s: %s: %s\n", p->id, what,
		        nghttp2_strerror((int)err));
		p->error = -EPROTO;
	}
	return p->error;
}

static void want_flush(struct peer *p)
{
	if (p->busy)
		return;
	p->busy = true;
	p->shared->ops->busy(p->shared->arg, p);
}

/* --- what arrives --------------------------------------------------------------------------- */

static bool is(const uint8_t *text, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(text, word, len) == 0;
}

static int stream_header(struct peer *p, const uint8_t *name, size_t name_len)
{
	if (!is(name, name_len, "x-wiretrustee-peer-registered") || p->registered)
		return 0;
	p->registered = true;
	return p->shared->ops->registered(p->shared->arg, p);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
	struct peer *p = arg;
	struct peer_call *call;

	(void)flags;
	if (is(name, name_len, ":status") && !is(value, value_len, "200"))
		complain(p, "HTTP status is not 200", EPROTO);
	if (is(name, name_len, "grpc-message") && value_len > 0)
		fprintf(stderr, "loadgen: peer %.8s: the server says: %.*s\n", p->id,
		        (int)value_len, (const char *)value);
	if (p->error == 0 && frame->hd.stream_id == p->stream)
		p->error = stream_header(p, name, name_len);
	call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (call != NULL && is(name, name_len, "grpc-status"))
		call->status = is(value, value_len, "0") ? 0 : 2;
	return p->error == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_message(void *arg, const uint8_t *msg, size_t len)
{
	struct peer *p = arg;

	return p->shared->ops->message(p->shared->arg, p, msg, len);
}

static int on_bytes(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
                    size_t len, void *arg)
{
	static const uint8_t empty[5];
	struct peer *p = arg;
	struct peer_call *call;

	(void)flags;
	if (stream == p->stream) {
		p->error = frame_read(&p->in, bytes, len, on_message, p);
		if (p->error == -EBADMSG)
			complain(p, "ConnectStream: bad message", EBADMSG);
		return p->error == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	call = nghttp2_session_get_stream_user_data(session, stream);
	if (call == NULL)
		return 0;
	call->answer_len += len;
	if (call->answer_len > sizeof(empty) || memcmp(bytes, empty, len) != 0)
		complain(p, "Send: the answer is not empty", EPROTO);
	return p->error == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
	struct peer *p = arg;
	struct peer_call *call = nghttp2_session_get_stream_user_data(session, stream);

	if (stream == p->stream)
		complain(p, "the server ended the ConnectStream", ECONNRESET);
	else if (call == NULL)
		complain(p, "an unknown stream ended", EPROTO);
	else if (code != NGHTTP2_NO_ERROR || call->status != 0 || call->answer_len != 5)
		complain(p, "Send failed", EPROTO);
	else
		p->error = p->shared->ops->answered(p->shared->arg, call);
	return p->error == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	(void)session;
	if (frame->hd.type == NGHTTP2_GOAWAY) {
		complain(arg, "the server said GOAWAY", ECONNRESET);
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	return 0;
}

/* --- what is sent --------------------------------------------------------------------------- */

static ssize_t read_call(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct peer_call *call = source->ptr;
	size_t n = call->len - call->sent;

	(void)session, (void)stream, (void)arg;
	if (n > room)
		n = room;
	memcpy(buf, call->bytes + call->sent, n);
	call->sent += n;
	if (call->sent == call->len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

/* The ConnectStream: the client sends nothing on it and keeps its side open. */
static ssize_t read_nothing(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t room,
                            uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	(void)session, (void)stream, (void)buf, (void)room, (void)flags, (void)source, (void)arg;
	return NGHTTP2_ERR_DEFERRED;
}

#define NV(name, value)                                                                     \
	{                                                                                   \
		(uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, sizeof(value) - 1, \
		    NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE            \
	}
#define GRPC_HEADERS(path)                                                         \
	NV(":method", "POST"), NV(":scheme", "http"), NV(":path", path),           \
	    NV(":authority", "localhost"), NV("content-type", "application/grpc"), \
	    NV("user-agent", "grpc-go/1.80.0"), NV("te", "trailers")

static int ask_for_registration(struct peer *p)
{
	static const char key[] = "x-wiretrustee-peer-id";
	nghttp2_nv headers[] = {
	    GRPC_HEADERS("/signalexchange.SignalExchange/ConnectStream"),
	    {(uint8_t *)key, (uint8_t *)p->id, sizeof(key) - 1, FRAME_ID, NGHTTP2_NV_FLAG_NONE},
	};
	nghttp2_data_provider body = {.read_callback = read_nothing};
	int r;

	if ((r = nghttp2_submit_settings(p->session, NGHTTP2_FLAG_NONE, NULL, 0)) != 0)
		return complain_h2(p, "SETTINGS", r);
	p->stream = nghttp2_submit_request(p->session, NULL, headers,
	                                   sizeof(headers) / sizeof(headers[0]), &body, NULL);
	if (p->stream < 0)
		return complain_h2(p, "ConnectStream", p->stream);
	want_flush(p);
	return 0;
}

int peer_call(struct peer *p, struct peer_call *call)
{
	static const nghttp2_nv headers[] = {
	    GRPC_HEADERS("/signalexchange.SignalExchange/Send"),
	};
	nghttp2_data_provider body = {.source.ptr = call, .read_callback = read_call};
	int32_t stream;

	call->sent = call->answer_len = 0;
	call->status = -1;
	stream = nghttp2_submit_request(p->session, NULL, headers,
	                                sizeof(headers) / sizeof(headers[0]), &body, call);
	if (stream < 0)
		return complain_h2(p, "Send", stream);
	want_flush(p);
	return 0;
}

/* 0: the socket took all; 1: the rest is kept until it is writable. */
static int send_bytes(struct peer *p, const uint8_t *bytes, size_t len)
{
	ssize_t n = send(p->fd, bytes, len, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return complain(p, "send", errno);
	if (n < 0)
		n = 0;
	if ((size_t)n == len)
		return 0;
	p->unsent_len = len - (size_t)n;
	p->unsent_at = 0;
	if ((p->unsent = malloc(p->unsent_len)) == NULL)
		return complain(p, "send", ENOMEM);
	memcpy(p->unsent, bytes + n, p->unsent_len);
	return 1;
}

static int send_unsent(struct peer *p)
{
	ssize_t n;

	while (p->unsent_at < p->unsent_len) {
		n = send(p->fd, p->unsent + p->unsent_at, p->unsent_len - p->unsent_at,
		         MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return 1;
		if (n < 0 && errno != EINTR)
			return complain(p, "send", errno);
		p->unsent_at += n < 0 ? 0 : (size_t)n;
	}
	free(p->unsent);
	p->unsent = NULL;
	p->unsent_len = p->unsent_at = 0;
	return 0;
}

/* Gathers what nghttp2 wants to send now, up to about ONE_WRITE; 0: nothing. */
static ssize_t gather(struct peer *p, uint8_t *out)
{
	size_t len = 0;
	const uint8_t *bytes;
	ssize_t n;

	while (len < ONE_WRITE) {
		if ((n = nghttp2_session_mem_send(p->session, &bytes)) < 0)
			return complain_h2(p, "send", n);
		if (n == 0)
			break;
		if ((size_t)n > BUFFER - len)
			return complain(p, "send", EOVERFLOW);
		memcpy(out + len, bytes, (size_t)n);
		len += (size_t)n;
	}
	return (ssize_t)len;
}

int peer_flush(struct peer *p)
{
	ssize_t n;
	int r;

	p->busy = false;
	if ((r = send_unsent(p)) != 0)
		return r < 0 ? r : 0;
	do {
		if ((n = gather(p, p->shared->buffer)) <= 0)
			return (int)n;
		if ((r = send_bytes(p, p->shared->buffer, (size_t)n)) < 0)
			return r;
	} while (r == 0 && n >= (ssize_t)ONE_WRITE);
	return 0;
}

int peer_ready(struct peer *p)
{
	uint8_t *buf = p->shared->buffer;
	ssize_t n, used;

	do {
		do
			n = recv(p->fd, buf, BUFFER, 0);
		while (n < 0 && errno == EINTR);
		if (n == 0)
			return complain(p, "the server closed the connection", ECONNRESET);
		if (n < 0 && errno != EAGAIN)
			return complain(p, "receive", errno);
		if (n < 0)
			break;
		used = nghttp2_session_mem_recv(p->session, buf, (size_t)n);
		if (used != n)
			return complain_h2(p, "receive", used);
	} while (n == (ssize_t)BUFFER);
	if (p->unsent != NULL || nghttp2_session_want_write(p->session))
		want_flush(p);
	return 0;
}

/* --- beginning and end ---------------------------------------------------------------------- */

int peer_shared_new(struct peer_shared **sp, const struct sockaddr_storage *addr,
                    const struct peer_ops *ops, void *arg)
{
	struct peer_shared *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		goto err0;
	if (nghttp2_session_callbacks_new(&s->callbacks) != 0)
		goto err1;
	if (nghttp2_option_new(&s->option) != 0)
		goto err2;
	s->addr = *addr;
	s->ops = ops;
	s->arg = arg;
	nghttp2_option_set_no_closed_streams(s->option, 1);
	nghttp2_session_callbacks_set_on_header_callback(s->callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(s->callbacks, on_bytes);
	nghttp2_session_callbacks_set_on_stream_close_callback(s->callbacks, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_recv_callback(s->callbacks, on_frame);
	*sp = s;
	return 0;
err2:
	nghttp2_session_callbacks_del(s->callbacks);
err1:
	free(s);
err0:
	fprintf(stderr, "loadgen: %s\n", strerror(ENOMEM));
	return -ENOMEM;
}

void peer_shared_free(struct peer_shared *s)
{
	if (s == NULL)
		return;
	nghttp2_option_del(s->option);
	nghttp2_session_callbacks_del(s->callbacks);
	free(s);
}

static int connect_to_server(struct peer *p)
{
	const struct sockaddr_storage *addr = &p->shared->addr;
	socklen_t len =
	    addr->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int one = 1;

	p->fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return complain(p, "socket", errno);
	if (setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
		return complain(p, "TCP_NODELAY", errno);
	if (connect(p->fd, (const struct sockaddr *)addr, len) != 0 && errno != EINPROGRESS)
		return complain(p, "connect", errno);
	return 0;
}

int peer_open(struct peer **pp, struct peer_shared *s, const char id[static FRAME_ID])
{
	struct peer *p;
	int r;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return -ENOMEM;
	p->shared = s;
	p->fd = -1;
	memcpy(p->id, id, FRAME_ID);
	if ((r = connect_to_server(p)) < 0)
		goto err;
	r = nghttp2_session_client_new2(&p->session, s->callbacks, p, s->option);
	if (r != 0) {
		r = complain_h2(p, "HTTP/2", r);
		goto err;
	}
	if ((r = ask_for_registration(p)) < 0)
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
	nghttp2_session_del(p->session);
	frame_reader_free(&p->in);
	free(p->unsent);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

int peer_fd(const struct peer *p)
{
	return p->fd;
}

const char *peer_id(const struct peer *p)
{
	return p->id;
}
