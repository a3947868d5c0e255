/*
 * What a request says.  libwebsockets keeps the headers that it knows by number and the others by
 * name, which it has in lower case with the colon; the query it has decoded and cut at & and ;.
 */
#include "http_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORD_LIST_MAX 512

/* Its number, or -1.  What it takes for the request line ends with a space and is no header. */
static int known_header(const char *name)
{
	const size_t len = strlen(name);

	for (int i = 0; i < WSI_TOKEN_COUNT; i++) {
		const char *known = (const char *)lws_token_to_string((enum lws_token_indexes)i);

		if (known != NULL && strncmp(known, name, len) == 0 &&
		    strcmp(known + len, ":") == 0)
			return i;
	}
	return -1;
}

static int copied(int length, size_t size)
{
	if (length < 0)
		return -ENOENT;
	return (size_t)length < size ? 0 : -ENOSPC;
}

int http_header_copy(struct http_conn *c, const char *name, char *value, size_t size)
{
	const int header = known_header(name);
	char with_colon[128];
	int len, r;

	if (header >= 0) {
		len = lws_hdr_total_length(c->wsi, (enum lws_token_indexes)header);
		if ((r = copied(len > 0 ? len : -1, size)) < 0)
			return r;
		return lws_hdr_copy(c->wsi, value, (int)size, (enum lws_token_indexes)header);
	}
	len = snprintf(with_colon, sizeof(with_colon), "%s:", name);
	if (len < 0 || (size_t)len >= sizeof(with_colon))
		return -ENOENT;
	if ((r = copied(lws_hdr_custom_length(c->wsi, with_colon, len), size)) < 0)
		return r;
	return lws_hdr_custom_copy(c->wsi, value, (int)size, with_colon, len);
}

int http_header_query(struct http_conn *c, const char *name, char *value, size_t size)
{
	const size_t name_len = strlen(name);
	char pair[HTTP_HEADER_MAX];

	for (int i = 0;; i++) {
		int len =
		    lws_hdr_copy_fragment(c->wsi, pair, sizeof(pair), WSI_TOKEN_HTTP_URI_ARGS, i);

		if (len < 0)
			return -ENOENT;
		if ((size_t)len <= name_len || strncmp(pair, name, name_len) != 0 ||
		    pair[name_len] != '=')
			continue;
		len -= (int)name_len + 1;
		if ((size_t)len >= size)
			return -ENOSPC;
		memcpy(value, pair + name_len + 1, (size_t)len + 1);
		return len;
	}
}

size_t http_header_word(const char **rest, const char **word)
{
	size_t len;

	*rest += strspn(*rest, ", \t");
	*word = *rest;
	len = strcspn(*rest, ",");
	*rest += len;
	while (len > 0 && ((*word)[len - 1] == ' ' || (*word)[len - 1] == '\t'))
		len--;
	return len;
}

bool http_header_has(struct http_conn *c, enum lws_token_indexes header, const char *word)
{
	char list[WORD_LIST_MAX];
	const char *rest = list, *found;
	size_t len;

	if (lws_hdr_copy(c->wsi, list, sizeof(list), header) <= 0)
		return false;
	while ((len = http_header_word(&rest, &found)) > 0)
		if (len == strlen(word) && strncasecmp(found, word, len) == 0)
			return true;
	return false;
}

const char *http_header_method(struct http_conn *c, const char **path)
{
	static const char *const names[] = {
	    [LWSHUMETH_GET] = "GET",         [LWSHUMETH_POST] = "POST",
	    [LWSHUMETH_OPTIONS] = "OPTIONS", [LWSHUMETH_PUT] = "PUT",
	    [LWSHUMETH_PATCH] = "PATCH",     [LWSHUMETH_DELETE] = "DELETE",
	    [LWSHUMETH_CONNECT] = "CONNECT", [LWSHUMETH_HEAD] = "HEAD",
	};
	char *start = NULL;
	int len = 0, method = lws_http_get_uri_and_method(c->wsi, &start, &len);

	if (method < 0 || (size_t)method >= sizeof(names) / sizeof(*names) || start == NULL ||
	    *start != '/' || strlen(start) != (size_t)len)
		return NULL;
	*path = start;
	return names[method];
}

static bool version_is(struct http_conn *c, const char *wanted)
{
	char version[16];

	return lws_hdr_copy(c->wsi, version, sizeof(version), WSI_TOKEN_HTTP) > 0 &&
	       strcmp(version, wanted) == 0;
}

bool http_header_is_1_1(struct http_conn *c)
{
	return version_is(c, "HTTP/1.1");
}

bool http_header_is_1_0(struct http_conn *c)
{
	return version_is(c, "HTTP/1.0");
}
