/* A self-check's way to the public address of this server, as far as libcurl goes it. */
#include "probe.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define REDIRECTS 10 /* as many as Let's Encrypt follows */

/* Notes the address and makes the socket, with a flag that libcurl does not set. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct probe *p = arg;
	char host[NI_MAXHOST], port[NI_MAXSERV];
	size_t at = strlen(p->addresses);

	(void)purpose;
	if (getnameinfo(&to->addr, to->addrlen, host, sizeof(host), port, sizeof(port),
	                NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(p->addresses + at, sizeof(p->addresses) - at, "%s%s%s%s:%s",
		         at > 0 ? ", " : "", to->family == AF_INET6 ? "[" : "", host,
		         to->family == AF_INET6 ? "]" : "", port);
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static CURLcode set_options(struct probe *p)
{
	CURL *e = p->easy;
	CURLcode r;

	/* QUICK_EXIT: a resolver that hangs is left to itself, not waited for. */
	if ((r = curl_easy_setopt(e, CURLOPT_URL, p->url)) != CURLE_OK ||
	    (r = curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L)) != CURLE_OK ||
	    (r = curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L)) != CURLE_OK ||
	    (r = curl_easy_setopt(e, CURLOPT_PROXY, "")) != CURLE_OK ||
	    (r = curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https")) != CURLE_OK ||
	    (r = curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https")) != CURLE_OK ||
	    (r = curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 1L)) != CURLE_OK ||
	    (r = curl_easy_setopt(e, CURLOPT_MAXREDIRS, (long)REDIRECTS)) != CURLE_OK ||
	    /* As CAs do it: who has no certificate yet may redirect to one that is none. */
	    (r = curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L)) != CURLE_OK ||
	    (r = curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L)) != CURLE_OK ||
	    (r = curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket)) != CURLE_OK ||
	    (r = curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, p)) != CURLE_OK)
		return r;
	return curl_easy_setopt(e, CURLOPT_USERAGENT, "netbird-signal (self-check)");
}

int probe_open(struct probe *p, const char *host, unsigned port, const char *path)
{
	bool v6 = strchr(host, ':') != NULL;
	char colon[16] = "";

	if (port != 80)
		snprintf(colon, sizeof(colon), ":%u", port);
	snprintf(p->url, sizeof(p->url), "http://%s%s%s%s%s", v6 ? "[" : "", host, v6 ? "]" : "",
	         colon, path);
	p->addresses[0] = '\0';
	p->easy = curl_easy_init();
	p->multi = curl_multi_init();
	if (p->easy != NULL && p->multi != NULL && set_options(p) == CURLE_OK &&
	    curl_multi_add_handle(p->multi, p->easy) == CURLM_OK)
		return 0;
	probe_close(p);
	return -ENOMEM;
}

void probe_close(struct probe *p)
{
	if (p->easy != NULL && p->multi != NULL)
		curl_multi_remove_handle(p->multi, p->easy);
	curl_easy_cleanup(p->easy);
	curl_multi_cleanup(p->multi);
}

int probe_run(struct probe *p)
{
	struct curl_waitfd extra = {.fd = p->cancel->fd, .events = CURL_WAIT_POLLIN};
	int running, left = cancel_left(p->until);
	CURLMsg *message;

	/* 0 would be no bound at all. */
	if (curl_easy_setopt(p->easy, CURLOPT_TIMEOUT_MS, left > 0 ? (long)left : 1L) != CURLE_OK)
		return -ENOMEM;
	do {
		if (cancel_is_set(p->cancel))
			return -ECANCELED;
		if (curl_multi_perform(p->multi, &running) != CURLM_OK)
			return -ENOMEM;
		if (running > 0 && curl_multi_poll(p->multi, &extra, 1, 1000, NULL) != CURLM_OK)
			return -ENOMEM;
	} while (running > 0);
	message = curl_multi_info_read(p->multi, &running);
	p->result = message != NULL ? message->data.result : CURLE_GOT_NOTHING;
	return 0;
}

static void tell_unconnected(const struct probe *p, unsigned port, char *text, size_t size)
{
	long err = 0;

	curl_easy_getinfo(p->easy, CURLINFO_OS_ERRNO, &err);
	if (err == ECONNREFUSED)
		snprintf(
		    text, size,
		    "connection refused, nothing listens there; open or forward port %u to this "
		    "server",
		    port);
	else
		snprintf(text, size, "%s; open or forward port %u to this server",
		         err != 0 ? strerror((int)err) : "no connection", port);
}

void probe_tell(const struct probe *p, unsigned port, char *text, size_t size)
{
	switch (p->result) {
	case CURLE_COULDNT_RESOLVE_HOST:
		snprintf(text, size,
		         "the name does not resolve; add an A or AAAA record for this server");
		break;
	case CURLE_COULDNT_CONNECT:
		tell_unconnected(p, port, text, size);
		break;
	case CURLE_OPERATION_TIMEDOUT:
		if (p->addresses[0] == '\0')
			snprintf(text, size,
			         "the name was not resolved in time; look at this machine's "
			         "DNS");
		else
			snprintf(text, size,
			         "no answer in time; open or forward port %u to this server", port);
		break;
	default:
		snprintf(text, size, "%s; see what answers at port %u",
		         curl_easy_strerror(p->result), port);
	}
}
