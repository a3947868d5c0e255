/* What is wrong with a key, and what keys say about each other. */
#include "settings_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LETS_ENCRYPT_STAGING "https://acme-staging-v02.api.letsencrypt.org/directory"

#define SECOND INT64_C(1000)

static const struct {
	const char *name;
	enum key_type type;
} key_types[] = {
    {"ec256", KEY_P256},      {"ec384", KEY_P384},      {"rsa2048", KEY_RSA2048},
    {"rsa3072", KEY_RSA3072}, {"rsa4096", KEY_RSA4096},
};

struct check {
	struct nbs_host *host;
	const struct settings_raw *raw;
	struct settings *s;
	int r;
};

static void wrong(struct check *c, const char *key, const char *what)
{
	c->host->log(c->host, NBS_ERROR, "[plugin letsencrypt] %s: %s", key, what);
	c->r = -EINVAL;
}

static void wrong_value(struct check *c, const char *key, const char *value, const char *expected)
{
	char what[320];

	snprintf(what, sizeof(what), "expected %s, got \"%.100s\"", expected, value);
	wrong(c, key, what);
}

static void check_domain(struct check *c)
{
	char why[256];
	int r = names_parse(&c->s->names, c->raw->domain, why, sizeof(why));

	if (r == -EINVAL)
		wrong(c, "domain", why);
	else if (r < 0)
		c->r = r;
}

/* No more than that somebody did not write something else here; RFC 8555 leaves the rest to CAs. */
static void check_email(struct check *c)
{
	const char *email = c->raw->email, *at = strchr(email, '@');
	bool bad = at == NULL || at == email || at[1] == '\0' || strchr(at + 1, '@') != NULL ||
	           strlen(email) > 254;

	for (const char *p = email; *p != '\0'; p++)
		bad =
		    bad || (unsigned char)*p <= ' ' || *p == 0x7f || strchr(",;<>\"?", *p) != NULL;
	if (email[0] != '\0' && bad)
		wrong_value(c, "email", email, "one address, such as admin@example.org");
	c->s->email = email;
}

static bool is_https(const char *url)
{
	static const char scheme[] = "https://";
	const char *authority = url + sizeof(scheme) - 1;
	size_t len;

	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0 || strlen(url) > 1024)
		return false;
	for (const char *p = url; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == '#')
			return false;
	len = strcspn(authority, "/?");
	return len > 0 && memchr(authority, '@', len) == NULL;
}

static void check_directory(struct check *c)
{
	const char *url = c->raw->directory_url;
	bool given = strcmp(url, LETS_ENCRYPT) != 0;

	if (!is_https(url))
		wrong_value(c, "directory-url", url, "a URL that begins with https://");
	if (c->raw->staging && given)
		wrong(c, "staging",
		      "is Let's Encrypt's, and directory-url names another CA: "
		      "one of the two");
	c->s->directory_url = c->raw->staging ? LETS_ENCRYPT_STAGING : url;
}

static bool find_challenge(const char *name, size_t len, enum challenge_type *type)
{
	for (int i = 0; i < CHALLENGE_TYPES; i++) {
		if (strlen(challenge_names[i]) == len &&
		    strncmp(challenge_names[i], name, len) == 0) {
			*type = (enum challenge_type)i;
			return true;
		}
	}
	return false;
}

static bool has_challenge(const struct challenges_settings *c, enum challenge_type type)
{
	for (size_t i = 0; i < c->n_order; i++)
		if (c->order[i] == type)
			return true;
	return false;
}

static void check_challenges(struct check *c)
{
	static const char expected[] =
	    "one or more of http-01, tls-alpn-01, dns-01, each once, with "
	    "commas between them";
	struct challenges_settings *ch = &c->s->challenges;
	const char *p = c->raw->challenges;

	for (;;) {
		size_t from = strspn(p, " \t"), len = strcspn(p + from, ", \t"), to = from + len;
		enum challenge_type type;

		to += strspn(p + to, " \t");
		if (!find_challenge(p + from, len, &type) || has_challenge(ch, type) ||
		    (p[to] != ',' && p[to] != '\0')) {
			wrong_value(c, "challenges", c->raw->challenges, expected);
			return;
		}
		ch->order[ch->n_order++] = type;
		if (p[to] == '\0')
			return;
		p += to + 1;
	}
}

static void check_key_type(struct check *c)
{
	for (size_t i = 0; i < sizeof(key_types) / sizeof(key_types[0]); i++) {
		if (strcmp(c->raw->key_type, key_types[i].name) == 0) {
			c->s->key_type = key_types[i].type;
			return;
		}
	}
	wrong_value(c, "key-type", c->raw->key_type, "ec256, ec384, rsa2048, rsa3072 or rsa4096");
}

static bool is_word(const char *text, const char *more, size_t max)
{
	for (const char *p = text; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr(more, *p) == NULL)
			return false;
	return strlen(text) <= max;
}

static void check_account(struct check *c)
{
	const char *kid = c->raw->eab_kid, *key = c->raw->eab_key;
	size_t padding = strlen(key) - strcspn(key, "=");

	for (const char *p = kid; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f || strlen(kid) > 512) {
			wrong(c, "eab-kid", "is longer than 512 bytes or has control characters");
			break;
		}
	}
	if ((kid[0] == '\0') != (key[0] == '\0'))
		wrong(c, kid[0] == '\0' ? "eab-kid" : "eab-key",
		      "is missing: the CA gives out eab-kid and eab-key together");
	if (!is_word(key, "-_=", 1024) || padding > 2 ||
	    strspn(key + strlen(key) - padding, "=") != padding)
		wrong(c, "eab-key", "expected base64url, as the CA gives it out");
	c->s->eab_kid = kid;
	c->s->eab_key = key;
}

static void check_paths(struct check *c)
{
	c->s->ssl_dir = c->raw->ssl_dir;
	c->s->ca_file = c->raw->ca_file;
	c->s->hook = c->raw->hook;
	if (c->s->ssl_dir[0] != '/')
		wrong_value(c, "ssl-dir", c->s->ssl_dir, "a path that begins with a slash");
	if (c->s->ca_file[0] != '\0' && c->s->ca_file[0] != '/')
		wrong_value(c, "ca-file", c->s->ca_file, "a path that begins with a slash");
	if (c->s->hook[0] != '\0' && c->s->hook[0] != '/')
		wrong_value(c, "hook", c->s->hook, "a path that begins with a slash");
}

/* What can be known about names and challenges before a CA is asked. */
static void check_solvable(struct check *c)
{
	const struct challenges_settings *ch = &c->s->challenges;
	bool dns = has_challenge(ch, CHALLENGE_DNS);

	if (dns && c->s->hook[0] == '\0')
		wrong(c, "hook", "is missing: dns-01 needs a program that sets the record");
	if (names_have_wildcard(&c->s->names) && !dns)
		wrong(c, "domain",
		      "has a wildcard, which only dns-01 can prove: it is missing in "
		      "challenges");
	if (names_have_address(&c->s->names) && dns && ch->n_order == 1)
		wrong(c, "domain",
		      "has an address, which dns-01 cannot prove: add http-01 or "
		      "tls-alpn-01 to challenges");
}

static unsigned seconds(int64_t ms)
{
	return (unsigned)((ms + SECOND - 1) / SECOND);
}

static void take_rest(struct check *c)
{
	struct settings *s = c->s;
	const struct settings_raw *raw = c->raw;

	s->profile = raw->profile;
	if (!is_word(s->profile, "-_.", 64))
		wrong_value(c, "profile", s->profile, "a name of letters, digits, dashes and dots");
	s->http_address = raw->http_address;
	s->tls_address = raw->tls_address;
	s->challenges.hook = settings_text(s->hook);
	s->challenges.hook_timeout_s = seconds(raw->hook_timeout);
	s->challenges.dns_delay_s = seconds(raw->dns_delay);
	s->challenges.self_check = raw->self_check;
	s->challenges.self_check_timeout_s = seconds(raw->self_check_timeout);
	s->challenges.http_port = (unsigned)raw->http_port;
	s->challenges.tls_port = (unsigned)raw->tls_port;
	s->request_timeout = raw->request_timeout;
	s->order_timeout = raw->order_timeout;
	s->renew_check = raw->renew_check;
	s->retry_min = raw->retry_min;
	s->retry_max = raw->retry_max;
	if (s->retry_max < s->retry_min)
		wrong(c, "retry-max", "is less than retry-min");
}

int settings_check(struct settings *s, const struct settings_raw *raw, struct nbs_host *host, int r)
{
	struct check c = {.host = host, .raw = raw, .s = s, .r = r};

	check_domain(&c);
	check_email(&c);
	check_directory(&c);
	check_challenges(&c);
	check_key_type(&c);
	check_account(&c);
	check_paths(&c);
	check_solvable(&c);
	take_rest(&c);
	return c.r;
}
