/* What libwebsockets calls. */
#include "http_private.h"

#include "routes.h"

static int http_event(struct http_conn *c, enum lws_callback_reasons reason, void *in, size_t len)
{
	switch (reason) {
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return http_upgrade_ask(c);
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		/* It has found the subprotocol; with an empty name it says none in the answer. */
		if (c->path == NULL || c->path->ops->subprotocol == NULL)
			c->http->subprotocol[0] = '\0';
		return c->path == NULL;
	case LWS_CALLBACK_HTTP:
		return http_request_begin(c);
	case LWS_CALLBACK_HTTP_BODY:
		return http_request_body(c, in, len);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return http_request_complete(c);
	case LWS_CALLBACK_ESTABLISHED:
		return http_ws_opened(c);
	case LWS_CALLBACK_RAW_ADOPT: /* the method CONNECT would make it a raw socket */
	case LWS_CALLBACK_RAW_RX:
		return -1;
	default:
		return 0;
	}
}

static int ws_event(struct nbs_ws *ws, enum lws_callback_reasons reason, void *in, size_t len)
{
	switch (reason) {
	case LWS_CALLBACK_RECEIVE:
		return http_ws_received(ws, in, len);
	case LWS_CALLBACK_RECEIVE_PONG:
		http_pings_heard(&ws->c->http->pings, ws);
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		http_ws_room(ws);
		return 0;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		return http_ws_peer_closes(ws, in, len);
	case LWS_CALLBACK_CLOSED:
		http_ws_ended(ws);
		return 0;
	default:
		return 0;
	}
}

int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
	struct http_conn *c = lws_get_opaque_user_data(wsi);

	(void)user;
	if (reason == LWS_CALLBACK_WSI_CREATE) {
		struct http *http = lws_context_user(lws_get_context(wsi));

		if (http->adopting != NULL)
			http->adopting->wsi = wsi; /* from here on WSI_DESTROY will come */
		return 0;
	}
	if (reason == LWS_CALLBACK_ADD_HEADERS) {
		http_frame_learn(lws_context_user(lws_get_context(wsi)), in);
		return 0;
	}
	if (c == NULL)
		return 0; /* of libwebsockets itself */
	if (reason == LWS_CALLBACK_WSI_DESTROY) {
		http_conn_gone(c);
		return 0;
	}
	return c->ws != NULL ? ws_event(c->ws, reason, in, len) : http_event(c, reason, in, len);
}
