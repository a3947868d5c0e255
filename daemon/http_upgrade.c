/*
 * Whether a request becomes a WebSocket (RFC 6455, 4.2).  Everything is judged here, because
 * libwebsockets closes without a word where it disagrees, takes any version for 13, and chooses the
 * first subprotocol that the client names of all that it knows.  So it knows exactly one, whose
 * name is written for each upgrade.
 */
#include "http_private.h"

#include "conn.h"
#include "log.h"
#include "routes.h"

#include <string.h>
#include <strings.h>

/* libwebsockets copies these headers into 128 bytes and gives up if they are longer. */
#define LIST_MAX 126

static int refuse(struct http_conn *c, unsigned status, const char *headers)
{
	c->served = true;
	http_reply_error(c, status, headers, false, true);
	return http_send_last(c);
}

/* 16 bytes in base64. */
static bool valid_key(struct http_conn *c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";
	char key[32];

	return lws_hdr_copy(c->wsi, key, sizeof(key), WSI_TOKEN_KEY) == 24 &&
	       strspn(key, alphabet) == 22 && strcmp(key + 22, "==") == 0;
}

static bool valid_form(struct http_conn *c)
{
	return lws_hdr_total_length(c->wsi, WSI_TOKEN_HOST) > 0 &&
	       lws_hdr_total_length(c->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0 &&
	       lws_hdr_total_length(c->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) <= 0 &&
	       lws_hdr_total_length(c->wsi, WSI_TOKEN_CONNECTION) <= LIST_MAX &&
	       lws_hdr_total_length(c->wsi, WSI_TOKEN_PROTOCOL) <= LIST_MAX && valid_key(c);
}

static bool version_13(struct http_conn *c)
{
	char version[8];

	return lws_hdr_copy(c->wsi, version, sizeof(version), WSI_TOKEN_VERSION) > 0 &&
	       strcmp(version, "13") == 0;
}

/* Writes down which of the client's subprotocols libwebsockets is to find: the one that the path
 * wants, or any, which is forgotten before the answer (http_callback.c).  False: it is missing. */
static bool choose_subprotocol(struct http_conn *c, const struct nbs_ws_path *path)
{
	char *chosen = c->http->subprotocol;
	char list[HTTP_SUBPROTOCOL_MAX];
	const char *rest = list, *word;
	size_t len;

	*chosen = '\0';
	if (lws_hdr_copy(c->wsi, list, sizeof(list), WSI_TOKEN_PROTOCOL) <= 0)
		return path->subprotocol == NULL;
	while ((len = http_header_word(&rest, &word)) > 0) {
		if (path->subprotocol != NULL && (len != strlen(path->subprotocol) ||
		                                  strncmp(word, path->subprotocol, len) != 0))
			continue;
		memcpy(chosen, word, len);
		chosen[len] = '\0';
		return true;
	}
	return path->subprotocol == NULL;
}

static int upgrade(struct http_conn *c, const struct ws_path *path)
{
	if (!version_13(c))
		return refuse(c, 426, "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n");
	if (!valid_form(c) || !choose_subprotocol(c, path->ops))
		return refuse(c, 400, NULL);
	c->served = true;
	c->path = path;
	http_conn_no_deadline(c);
	http_reply_count(c->http, 101);
	return 0;
}

int http_upgrade_ask(struct http_conn *c)
{
	const struct ws_path *found;
	char wanted[16];
	const char *method, *path;

	/* libwebsockets has refused the upgrade by itself, and the header is gone. */
	if (lws_hdr_total_length(c->wsi, WSI_TOKEN_UPGRADE) <= 0)
		return -1;
	if (lws_hdr_copy(c->wsi, wanted, sizeof(wanted), WSI_TOKEN_UPGRADE) <= 0 ||
	    strcasecmp(wanted, "websocket") != 0 ||
	    !http_header_has(c, WSI_TOKEN_CONNECTION, "upgrade") || !http_header_is_1_1(c) ||
	    (method = http_header_method(c, &path)) == NULL || strcmp(method, "GET") != 0)
		return http_request_serve(c); /* as if it had not asked */
	log_debug("http", "upgrade path=%s id=%llu", path, (unsigned long long)c->conn->id);
	found = routes_find_ws(c->http->routes, path, http_conn_class(c));
	if (found == NULL)
		return http_request_serve(c); /* a route, or 404 */
	return upgrade(c, found);
}
