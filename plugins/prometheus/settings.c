/* The keys of [plugin prometheus]. */
#include "settings.h"

#include "text.h"

#include <netbird-signal/plugin.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS "address"
#define PORT "port"
#define PREFIX "prefix"

#define DEFAULT_ADDRESS "*"
#define DEFAULT_PORT 9090

/* Numeric addresses for every interface of a large machine. */
#define ADDRESSES_MAX 16384

static int check_prefix(const char *prefix, struct nbs_host *host)
{
	const size_t len = strlen(prefix);
	size_t good = 0;

	while (isalnum((unsigned char)prefix[good]) || prefix[good] == '_')
		good++;
	if (good == len && len <= SETTINGS_PREFIX_MAX && !isdigit((unsigned char)*prefix))
		return 0;
	host->log(host, NBS_ERROR,
	          PREFIX ": expected at most %d letters, digits and _, not beginning with a "
	                 "digit, such as signal_, not '%.80s'",
	          SETTINGS_PREFIX_MAX, prefix);
	return -EINVAL;
}

int settings_read(struct settings *s, struct nbs_host *host)
{
	int flag, address, port, prefix, r;
	char *addresses = NULL;

	*s = (struct settings){.address = DEFAULT_ADDRESS, .port = DEFAULT_PORT, .prefix = ""};
	/* All of them, so that all bad values are named in one go. */
	if ((flag = host->conf_flag(host, "metrics-port", PORT)) < 0 && flag != -ENOENT)
		return flag;
	address = host->conf_str(host, ADDRESS, &s->address);
	port = host->conf_int(host, PORT, 0, 65535, &s->port);
	prefix = host->conf_str(host, PREFIX, &s->prefix);
	s->chosen =
	    flag == 0 || s->port != DEFAULT_PORT || strcmp(s->address, DEFAULT_ADDRESS) != 0;
	if (address == 0)
		address = settings_listen(s, host, &addresses);
	free(addresses);
	if (prefix == 0)
		prefix = check_prefix(s->prefix, host);
	r = address < 0 ? address : port;
	return r < 0 ? r : prefix;
}

/* The family of an address without a port; 0: it is none. */
static int family_of(const char *address)
{
	struct in6_addr any;
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE];

	if (inet_pton(AF_INET, address, &any) == 1)
		return AF_INET;
	/* Whether there is such an interface is for the listener to say. */
	snprintf(host, sizeof(host), "%.*s", (int)strcspn(address, "%"), address);
	return inet_pton(AF_INET6, host, &any) == 1 ? AF_INET6 : 0;
}

static int add_address(struct text *out, const char *at, size_t len, int64_t port,
                       struct nbs_host *host)
{
	char address[INET6_ADDRSTRLEN + IF_NAMESIZE + 2], tail[16];
	int family, bare;

	snprintf(address, sizeof(address), "%.*s", (int)len, at);
	bare = len > 2 && address[0] == '[' && strlen(address) == len && address[len - 1] == ']';
	if (bare) {
		memmove(address, address + 1, len - 2);
		address[len - 2] = '\0';
	}
	family = strlen(address) == len - (bare ? 2 : 0) ? family_of(address) : 0;
	if ((family == 0 && strcmp(address, "*") != 0) || (bare && family != AF_INET6)) {
		host->log(host, NBS_ERROR,
		          ADDRESS
		          ": expected * or IP addresses without a port, with commas between "
		          "them, not '%.*s'",
		          len < 80 ? (int)len : 80, at);
		return -EINVAL;
	}
	text_str(out, out->len > 0 ? ", " : "");
	text_str(out, family == AF_INET6 ? "[" : "");
	text_str(out, address);
	snprintf(tail, sizeof(tail), "%s:%lld", family == AF_INET6 ? "]" : "", (long long)port);
	text_str(out, tail);
	return 0;
}

static int add_all(struct text *out, const struct settings *s, struct nbs_host *host)
{
	const char *at = s->address;
	int r;

	for (;;) {
		const char *const next = at + strcspn(at, ",");
		const char *end = next;

		at += strspn(at, " \t");
		while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		r = add_address(out, at, end > at ? (size_t)(end - at) : 0, s->port, host);
		if (r < 0 || *next == '\0')
			return r;
		at = next + 1;
	}
}

int settings_listen(const struct settings *s, struct nbs_host *host, char **addresses)
{
	struct text out;
	int r = 0;

	text_open(&out, ADDRESSES_MAX);
	if (*s->address != '\0')
		r = add_all(&out, s, host);
	text_char(&out, '\0');
	if (r == 0 && (r = out.err) < 0)
		host->log(host, NBS_ERROR, ADDRESS ": %s", strerror(-r));
	if (r < 0)
		text_close(&out);
	*addresses = out.at;
	return r;
}

void settings_warn_restart(const struct settings *running, const struct settings *file,
                           struct nbs_host *host)
{
	static const char line[] = "needs a restart to take effect: key=%s";

	if (strcmp(running->address, file->address) != 0)
		host->log(host, NBS_WARN, line, ADDRESS);
	if (running->port != file->port)
		host->log(host, NBS_WARN, line, PORT);
	if (strcmp(running->prefix, file->prefix) != 0)
		host->log(host, NBS_WARN, line, PREFIX);
}
