/* Tables of the keys, and how they are read. */
#include "settings_private.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static const struct text_key {
	const char *name, *option; /* option: of the command line, or NULL */
	size_t offset;
	const char *initial;
} texts[] = {
    {"domain", "letsencrypt-domain", offsetof(struct settings_raw, domain), ""},
    {"email", "letsencrypt-email", offsetof(struct settings_raw, email), ""},
    {"ssl-dir", "ssl-dir", offsetof(struct settings_raw, ssl_dir), "/var/lib/netbird/"},
    {"directory-url", NULL, offsetof(struct settings_raw, directory_url), LETS_ENCRYPT},
    {"challenges", NULL, offsetof(struct settings_raw, challenges), "http-01, tls-alpn-01"},
    {"key-type", NULL, offsetof(struct settings_raw, key_type), "ec256"},
    {"profile", NULL, offsetof(struct settings_raw, profile), ""},
    {"eab-kid", NULL, offsetof(struct settings_raw, eab_kid), ""},
    {"eab-key", NULL, offsetof(struct settings_raw, eab_key), ""},
    {"ca-file", NULL, offsetof(struct settings_raw, ca_file), ""},
    {"hook", NULL, offsetof(struct settings_raw, hook), ""},
    {"http-address", NULL, offsetof(struct settings_raw, http_address), "*:80"},
    {"tls-address", NULL, offsetof(struct settings_raw, tls_address), "*:443"},
};

static const struct number_key {
	const char *name;
	bool duration;
	size_t offset;
	int64_t initial, min, max;
} numbers[] = {
    {"hook-timeout", true, offsetof(struct settings_raw, hook_timeout), 5 * MINUTE, SECOND, HOUR},
    {"dns-delay", true, offsetof(struct settings_raw, dns_delay), 0, 0, HOUR},
    {"self-check-timeout", true, offsetof(struct settings_raw, self_check_timeout), 10 * SECOND,
     SECOND, 2 * MINUTE},
    {"http-port", false, offsetof(struct settings_raw, http_port), 80, 1, 65535},
    {"tls-port", false, offsetof(struct settings_raw, tls_port), 443, 1, 65535},
    {"request-timeout", true, offsetof(struct settings_raw, request_timeout), 30 * SECOND, SECOND,
     5 * MINUTE},
    {"order-timeout", true, offsetof(struct settings_raw, order_timeout), 5 * MINUTE, SECOND, HOUR},
    {"renew-check", true, offsetof(struct settings_raw, renew_check), DAY, SECOND, DAY},
    {"retry-min", true, offsetof(struct settings_raw, retry_min), MINUTE, SECOND, DAY},
    {"retry-max", true, offsetof(struct settings_raw, retry_max), 6 * HOUR, SECOND, DAY},
};

static const struct bool_key {
	const char *name;
	size_t offset;
	int initial;
} bools[] = {
    {"staging", offsetof(struct settings_raw, staging), 0},
    {"self-check", offsetof(struct settings_raw, self_check), 1},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define FIELD(raw, key, type) ((type *)((char *)(raw) + (key)->offset))

const char *settings_text(const char *value)
{
	return value[0] != '\0' ? value : NULL;
}

/* --- reading -------------------------------------------------------------------------------- */

static int read_text(struct nbs_host *host, const struct text_key *key, struct settings_raw *raw)
{
	int r;

	*FIELD(raw, key, const char *) = key->initial;
	if (key->option != NULL && (r = host->conf_flag(host, key->option, key->name)) < 0 &&
	    r != -ENOENT)
		return r;
	return host->conf_str(host, key->name, FIELD(raw, key, const char *));
}

static int read_number(struct nbs_host *host, const struct number_key *key,
                       struct settings_raw *raw)
{
	int64_t *value = FIELD(raw, key, int64_t);

	*value = key->initial;
	return key->duration ? host->conf_duration(host, key->name, key->min, key->max, value)
	                     : host->conf_int(host, key->name, key->min, key->max, value);
}

/* A bad value does not end the loops: all of them are to be named in one go. */
static int read_raw(struct settings_raw *raw, struct nbs_host *host)
{
	int first = 0, r;

	for (size_t i = 0; i < COUNT(texts); i++)
		if ((r = read_text(host, &texts[i], raw)) < 0 && first == 0)
			first = r;
	for (size_t i = 0; i < COUNT(numbers); i++)
		if ((r = read_number(host, &numbers[i], raw)) < 0 && first == 0)
			first = r;
	for (size_t i = 0; i < COUNT(bools); i++) {
		*FIELD(raw, &bools[i], int) = bools[i].initial;
		r = host->conf_bool(host, bools[i].name, FIELD(raw, &bools[i], int));
		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

int settings_read(struct settings **out, struct nbs_host *host)
{
	struct settings *s = calloc(1, sizeof(*s));
	struct settings_raw raw;
	int r;

	if (s == NULL)
		return -ENOMEM;
	r = read_raw(&raw, host);
	/* What could not be read has its default, so that the rest can be judged. */
	if ((r = settings_check(s, &raw, host, r)) < 0) {
		settings_free(s);
		return r;
	}
	*out = s;
	return 0;
}

void settings_free(struct settings *s)
{
	if (s == NULL)
		return;
	names_free(&s->names);
	free(s);
}

/* --- a reload ------------------------------------------------------------------------------- */

static void keep(const char **next, const char *now, const char *key, struct nbs_host *host)
{
	if (strcmp(*next, now) != 0)
		host->log(host, NBS_WARN, "needs a restart to take effect: key=%s", key);
	*next = now;
}

void settings_keep(struct settings *next, const struct settings *now, struct nbs_host *host)
{
	keep(&next->ssl_dir, now->ssl_dir, "ssl-dir", host);
	keep(&next->directory_url, now->directory_url, "directory-url", host);
	keep(&next->http_address, now->http_address, "http-address", host);
	keep(&next->tls_address, now->tls_address, "tls-address", host);
}

struct settings *settings_fixed(const struct settings *s)
{
	struct settings *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *s;
	copy->names.n = 0;
	return copy;
}

void settings_challenges_text(const struct challenges_settings *c, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < c->n_order && len < size; i++)
		len += (size_t)snprintf(text + len, size - len, "%s%s", i > 0 ? ", " : "",
		                        challenge_names[c->order[i]]);
}
