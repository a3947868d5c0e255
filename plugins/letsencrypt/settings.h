/*
 * The keys of [plugin letsencrypt], read and checked: what is wrong is named with its key before
 * anything runs.  The external account's key is never part of a message.
 */
#ifndef LETSENCRYPT_SETTINGS_H
#define LETSENCRYPT_SETTINGS_H

#include "challenges.h"
#include "names.h"

/* Texts are the host's and live until destroy(); an empty one is "none". */
struct settings {
	struct names names; /* none: the plugin is idle */
	const char *email, *ssl_dir, *directory_url, *profile, *eab_kid, *eab_key, *ca_file, *hook;
	const char *http_address, *tls_address;
	enum key_type key_type;
	struct challenges_settings challenges;
	int64_t request_timeout, order_timeout; /* ms, as the following */
	int64_t renew_check, retry_min, retry_max;
};

/* [main], in init() and reload_prepare().  -EINVAL after a line for each key that is wrong. */
int settings_read(struct settings **out, struct nbs_host *host);
void settings_free(struct settings *s);

/* Gives `next` the values of `now` for what only a restart changes, with a warning for each key
 * that differs. */
void settings_keep(struct settings *next, const struct settings *now, struct nbs_host *host);
/* All that a restart is needed for, as settings of their own without names; NULL: no memory. */
struct settings *settings_fixed(const struct settings *s);

/* NULL instead of an empty text. */
const char *settings_text(const char *value);
/* "http-01, tls-alpn-01", for a person. */
void settings_challenges_text(const struct challenges_settings *c, char *text, size_t size);

#endif
