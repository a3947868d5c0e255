/* speech_h2.c - a peer's gRPC on nghttp2; see speech.h. */
#include "speech.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CONNECT "/signalexchange.SignalExchange/ConnectStream"
#define SEND "/signalexchange.SignalExchange/Send"
#define ONE_WRITE (64u << 10) /* no frame of nghttp2's is larger than 16 KiB and a head */

static int complain_h2(struct peer *p, const char *what, ssize_t err)
{
	if (p->error == 0) { /* otherwise a callback has already said why */
		fprintf(stderr, "loadgen: peer %.8s: %s: %s\n", p->id, what,
		        nghttp2_strerror((int)err));
		p->error = -EPROTO;
	}
	return p->error;
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
		peer_complain(p, "HTTP status is not 200", EPROTO);
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
			peer_complain(p, "ConnectStream: bad message", EBADMSG);
		return p->error == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	call = nghttp2_session_get_stream_user_data(session, stream);
	if (call == NULL)
		return 0;
	call->answer_len += len;
	if (call->answer_len > sizeof(empty) || memcmp(bytes, empty, len) != 0)
		peer_complain(p, "Send: the answer is not empty", EPROTO);
	return p->error == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
	struct peer *p = arg;
	struct peer_call *call = nghttp2_session_get_stream_user_data(session, stream);

	if (stream == p->stream)
		peer_complain(p, "the server ended the ConnectStream", ECONNRESET);
	else if (call == NULL)
		peer_complain(p, "an unknown stream ended", EPROTO);
	else if (code != NGHTTP2_NO_ERROR || call->status != 0 || call->answer_len != 5)
		peer_complain(p, "Send failed", EPROTO);
	else
		p->error = p->shared->ops->answered(p->shared->arg, call);
	return p->error == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	(void)session;
	if (frame->hd.type == NGHTTP2_GOAWAY) {
		peer_complain(arg, "the server said GOAWAY", ECONNRESET);
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	return 0;
}

static int hear(struct peer *p, const struct ws_piece *piece)
{
	ssize_t used;

	if (piece->text)
		return peer_complain(p, "text in the tunnel", EPROTO);
	used = nghttp2_session_mem_recv(p->session, piece->bytes, piece->len);
	return used == (ssize_t)piece->len ? 0 : complain_h2(p, "receive", used);
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
#define GRPC_HEADERS(scheme, path)                                                 \
	NV(":method", "POST"), NV(":scheme", scheme), NV(":path", path),           \
	    NV(":authority", "localhost"), NV("content-type", "application/grpc"), \
	    NV("user-agent", "grpc-go/1.80.0"), NV("te", "trailers")

static int ask_for_registration(struct peer *p)
{
	static const char key[] = "x-wiretrustee-peer-id";
	const nghttp2_nv id = {(uint8_t *)key, (uint8_t *)p->id, sizeof(key) - 1, FRAME_ID,
	                       NGHTTP2_NV_FLAG_NONE};
	const nghttp2_nv plain[] = {GRPC_HEADERS("http", CONNECT), id};
	const nghttp2_nv tls[] = {GRPC_HEADERS("https", CONNECT), id};
	nghttp2_data_provider body = {.read_callback = read_nothing};
	int r;

	if ((r = nghttp2_submit_settings(p->session, NGHTTP2_FLAG_NONE, NULL, 0)) != 0)
		return complain_h2(p, "SETTINGS", r);
	p->stream = nghttp2_submit_request(p->session, NULL, p->shared->tls != NULL ? tls : plain,
	                                   sizeof(plain) / sizeof(plain[0]), &body, NULL);
	if (p->stream < 0)
		return complain_h2(p, "ConnectStream", p->stream);
	peer_want_flush(p);
	return 0;
}

static int call_send(struct peer *p, struct peer_call *call)
{
	static const nghttp2_nv plain[] = {GRPC_HEADERS("http", SEND)};
	static const nghttp2_nv tls[] = {GRPC_HEADERS("https", SEND)};
	nghttp2_data_provider body = {.source.ptr = call, .read_callback = read_call};
	int32_t stream;

	call->sent = call->answer_len = 0;
	call->status = -1;
	stream = nghttp2_submit_request(p->session, NULL, p->shared->tls != NULL ? tls : plain,
	                                sizeof(plain) / sizeof(plain[0]), &body, call);
	if (stream < 0)
		return complain_h2(p, "Send", stream);
	peer_want_flush(p);
	return 0;
}

static ssize_t gather(struct peer *p, uint8_t *out, size_t room)
{
	size_t len = 0;
	const uint8_t *bytes;
	ssize_t n;

	while (len < ONE_WRITE) {
		if ((n = nghttp2_session_mem_send(p->session, &bytes)) < 0)
			return complain_h2(p, "send", n);
		if (n == 0)
			break;
		if ((size_t)n > room - len)
			return peer_complain(p, "send", EOVERFLOW);
		memcpy(out + len, bytes, (size_t)n);
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static bool has_more(struct peer *p)
{
	return nghttp2_session_want_write(p->session) != 0;
}

/* --- beginning and end ---------------------------------------------------------------------- */

int speech_h2_share(struct peer_shared *s)
{
	if (nghttp2_session_callbacks_new(&s->callbacks) != 0)
		goto err0;
	if (nghttp2_option_new(&s->option) != 0)
		goto err1;
	nghttp2_option_set_no_closed_streams(s->option, 1);
	nghttp2_session_callbacks_set_on_header_callback(s->callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(s->callbacks, on_bytes);
	nghttp2_session_callbacks_set_on_stream_close_callback(s->callbacks, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_recv_callback(s->callbacks, on_frame);
	return 0;
err1:
	nghttp2_session_callbacks_del(s->callbacks);
	s->callbacks = NULL;
err0:
	return -ENOMEM;
}

void speech_h2_unshare(struct peer_shared *s)
{
	nghttp2_option_del(s->option);
	nghttp2_session_callbacks_del(s->callbacks);
}

static int begin(struct peer *p)
{
	int r =
	    nghttp2_session_client_new2(&p->session, p->shared->callbacks, p, p->shared->option);

	return r == 0 ? ask_for_registration(p) : complain_h2(p, "HTTP/2", r);
}

static void end(struct peer *p)
{
	nghttp2_session_del(p->session);
	frame_reader_free(&p->in);
}

const struct speech speech_h2 = {
    .begin = begin,
    .hear = hear,
    .call = call_send,
    .gather = gather,
    .has_more = has_more,
    .end = end,
};
