/* Between the reading of the keys (settings.c) and their judgement (settings_check.c). */
#ifndef LETSENCRYPT_SETTINGS_PRIVATE_H
#define LETSENCRYPT_SETTINGS_PRIVATE_H

#include "settings.h"

#define LETS_ENCRYPT "https://acme-v02.api.letsencrypt.org/directory"

/* As the file has them, before they are looked at. */
struct settings_raw {
	const char *domain, *email, *ssl_dir, *directory_url, *challenges, *key_type, *profile;
	const char *eab_kid, *eab_key, *ca_file, *hook, *http_address, *tls_address;
	int staging, self_check;
	int64_t hook_timeout, dns_delay, self_check_timeout, http_port, tls_port;
	int64_t request_timeout, order_timeout, renew_check, retry_min, retry_max;
};

/* Fills *s with what is right, and says what is wrong.  Returns `r`, of what was read, or -EINVAL.
 */
int settings_check(struct settings *s, const struct settings_raw *raw, struct nbs_host *host,
                   int r);

#endif
