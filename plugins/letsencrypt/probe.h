/*
 * One connection of this server to itself by libcurl: bounded in time, ended by a mark, past any
 * proxy, and it remembers which addresses it tried.
 */
#ifndef LETSENCRYPT_PROBE_H
#define LETSENCRYPT_PROBE_H

#include "cancel.h"

#include <curl/curl.h>

#define PROBE_URL_MAX 640

struct probe {
	const struct cancel *cancel;
	int64_t until; /* the end of its time */
	CURL *easy;    /* for more options before probe_run(), for what came after it */
	CURLM *multi;
	CURLcode result;
	char url[PROBE_URL_MAX];
	char addresses[160]; /* "192.0.2.1:80, [2001:db8::1]:80": those that were tried */
};

/* `host`: a name or an address; *port* is left out of the URL if it is 80.  -ENOMEM. */
int probe_open(struct probe *p, const char *host, unsigned port, const char *path);
void probe_close(struct probe *p);
/* 0: it is over, with p->result.  -ECANCELED, -ENOMEM. */
int probe_run(struct probe *p);
/* Why there is no connection, or none any more, and what to do about it. */
void probe_tell(const struct probe *p, unsigned port, char *text, size_t size);

#endif
