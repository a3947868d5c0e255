/* http-01 (RFC 8555, 8.3): the tokens that are served, and the route that serves them.  The route
 * runs on the HTTP thread and holds the lock for a copy. */
#include "challenges_private.h"

#include "base64url.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_MAX 256
#define AUTHORIZATION_MAX (TOKEN_MAX + 64) /* the token, a dot and 43 characters */

#define PLAIN "text/plain"
#define NO_STORE "Cache-Control: no-store\r\n"

struct token {
	char *token, *key_authorization;
};

struct http01 {
	struct nbs_host *host;
	pthread_mutex_t lock;
	struct token tokens[HTTP01_TOKENS]; /* the first n */
	size_t n;
};

/* With the lock: NULL if it is not served. */
static struct token *find(struct http01 *h, const char *token)
{
	for (size_t i = 0; i < h->n; i++) {
		if (strcmp(h->tokens[i].token, token) == 0)
			return &h->tokens[i];
	}
	return NULL;
}

/* The length of what is answered; 0: nothing is. */
static size_t look_up(struct http01 *h, const char *token, char answer[static AUTHORIZATION_MAX])
{
	const struct token *t;
	size_t len = 0;

	pthread_mutex_lock(&h->lock);
	if ((t = find(h, token)) != NULL) {
		len = strlen(t->key_authorization);
		memcpy(answer, t->key_authorization, len);
	}
	pthread_mutex_unlock(&h->lock);
	return len;
}

static void serve(void *arg, struct nbs_request *request)
{
	static const char none[] = "no such challenge\n";
	struct http01 *h = arg;
	struct nbs_request_about about = {.size = sizeof(about)};
	struct nbs_conn_about conn = {.size = sizeof(conn)};
	char answer[AUTHORIZATION_MAX];
	const char *token;
	size_t len;

	h->host->request_about(request, &about);
	token = about.path + strlen(HTTP01_PATH);
	len = base64url_is(token, TOKEN_MAX) ? look_up(h, token, answer) : 0;
	if (len == 0) {
		h->host->request_reply(request, 404, PLAIN, NO_STORE, none, sizeof(none) - 1);
		return;
	}
	h->host->request_reply(request, 200, PLAIN, NO_STORE, answer, len);
	if (h->host->log_enabled(h->host, NBS_DEBUG)) {
		h->host->request_conn(request, &conn);
		h->host->log(h->host, NBS_DEBUG, "challenge=http-01 served to=%s", conn.remote);
	}
}

int http01_open(struct http01 **out, struct nbs_host *host)
{
	static const struct nbs_route route = {
	    .size = sizeof(route),
	    .method = "GET",
	    .path = HTTP01_PATH,
	    .classes = NBS_PUBLIC | NBS_ADMIN | NBS_CHALLENGE,
	    .handle = serve,
	};
	struct http01 *h = calloc(1, sizeof(*h));
	int r;

	if (h == NULL)
		return -ENOMEM;
	h->host = host;
	if ((r = -pthread_mutex_init(&h->lock, NULL)) < 0)
		goto err0;
	if ((r = host->route_register(host, &route, h)) < 0)
		goto err1;
	*out = h;
	return 0;
err1:
	pthread_mutex_destroy(&h->lock);
err0:
	free(h);
	return r;
}

static void token_free(struct token *t)
{
	free(t->token);
	free(t->key_authorization);
}

void http01_close(struct http01 *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < h->n; i++)
		token_free(&h->tokens[i]);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

int http01_add(struct http01 *h, const char *token, const char *key_authorization)
{
	struct token made, old = {NULL, NULL}, *at;
	int r = 0;

	if (!base64url_is(token, TOKEN_MAX) || strlen(key_authorization) > AUTHORIZATION_MAX ||
	    *key_authorization == '\0')
		return -EINVAL;
	made = (struct token){strdup(token), strdup(key_authorization)};
	if (made.token == NULL || made.key_authorization == NULL) {
		token_free(&made);
		return -ENOMEM;
	}
	pthread_mutex_lock(&h->lock);
	if ((at = find(h, token)) != NULL) {
		old = *at;
		*at = made;
	} else if (h->n < HTTP01_TOKENS) {
		h->tokens[h->n++] = made;
	} else {
		old = made;
		r = -ENOBUFS;
	}
	pthread_mutex_unlock(&h->lock);
	token_free(&old);
	return r;
}

void http01_remove(struct http01 *h, const char *token)
{
	struct token old = {NULL, NULL}, *at;

	pthread_mutex_lock(&h->lock);
	if ((at = find(h, token)) != NULL) {
		old = *at;
		*at = h->tokens[--h->n];
	}
	pthread_mutex_unlock(&h->lock);
	token_free(&old);
}
