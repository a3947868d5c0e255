/* The keys of [plugin letsencrypt]: what is taken, what is refused, and that a secret is not told.
 */
#include "../../plugins/letsencrypt/settings.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Pairs of key and value, ended by NULL; other keys are not in the file. */
static const char *const *file;
static char said[8192];

static void note(struct nbs_host *h, enum nbs_level level, const char *fmt, ...)
{
	size_t len = strlen(said);
	va_list ap;

	(void)h;
	(void)level;
	va_start(ap, fmt);
	vsnprintf(said + len, sizeof(said) - len, fmt, ap);
	va_end(ap);
	strncat(said, "\n", sizeof(said) - strlen(said) - 1);
}

static int flag(struct nbs_host *h, const char *option, const char *key)
{
	(void)h;
	(void)option;
	(void)key;
	return -ENOENT;
}

static int text(struct nbs_host *h, const char *key, const char **value)
{
	(void)h;
	for (const char *const *p = file; *p != NULL; p += 2)
		if (strcmp(p[0], key) == 0)
			*value = p[1];
	return 0;
}

static int number(struct nbs_host *h, const char *key, int64_t min, int64_t max, int64_t *value)
{
	const char *found = NULL;

	cr_assert(*value >= min && *value <= max, "%s", key);
	text(h, key, &found);
	if (found != NULL)
		*value = atoll(found);
	return *value < min || *value > max ? -EINVAL : 0;
}

static int boolean(struct nbs_host *h, const char *key, int *value)
{
	const char *found = NULL;

	text(h, key, &found);
	if (found != NULL)
		*value = strcmp(found, "yes") == 0;
	return 0;
}

static struct nbs_host host = {.size = sizeof(host),
                               .log = note,
                               .conf_flag = flag,
                               .conf_str = text,
                               .conf_int = number,
                               .conf_duration = number,
                               .conf_bool = boolean};

#define FILE_OF(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct settings *good(const char *const *keys)
{
	struct settings *s = NULL;

	file = keys;
	said[0] = '\0';
	cr_assert_eq(settings_read(&s, &host), 0, "%s", said);
	cr_expect_str_eq(said, "");
	return s;
}

static void bad(const char *const *keys, const char *says)
{
	struct settings *s = NULL;

	file = keys;
	said[0] = '\0';
	cr_expect_eq(settings_read(&s, &host), -EINVAL, "%s = %s", keys[0], keys[1]);
	cr_expect(strstr(said, says), "\"%s\" is not said: %s", says, said);
	cr_expect_null(s);
}

static void bad_domain(const char *domain, const char *says)
{
	bad(FILE_OF("domain", domain), says);
}

Test(le_settings, nothing_is_right_and_idle)
{
	struct settings *s = good((const char *const[]){NULL});

	cr_expect_eq(s->names.n, 0);
	cr_expect_str_eq(s->directory_url, "https://acme-v02.api.letsencrypt.org/directory");
	cr_expect_eq(s->challenges.n_order, 2);
	cr_expect_eq(s->challenges.order[0], CHALLENGE_HTTP);
	cr_expect_eq(s->challenges.hook_timeout_s, 300);
	cr_expect_null(s->challenges.hook);
	settings_free(s);
}

Test(le_settings, names_and_addresses)
{
	struct settings *s = good(FILE_OF(
	    "domain",
	    " Signal.Example.ORG ,192.0.2.1,\t[2001:DB8:0::1] , 2001:db8::2,xn--bcher-kva.de"));
	static const struct acme_identifier expected[] = {
	    {ACME_DNS, "signal.example.org"}, {ACME_IP, "192.0.2.1"},
	    {ACME_IP, "2001:db8::1"},         {ACME_IP, "2001:db8::2"},
	    {ACME_DNS, "xn--bcher-kva.de"},
	};

	cr_assert_eq(s->names.n, 5);
	for (size_t i = 0; i < 5; i++) {
		cr_expect_str_eq(s->names.ids[i].value, expected[i].value);
		cr_expect_eq(s->names.ids[i].kind, expected[i].kind);
	}
	cr_expect(names_have_address(&s->names));
	cr_expect_not(names_have_wildcard(&s->names));
	settings_free(s);
}

Test(le_settings, names_that_are_none)
{
	char label[80] = "", name[300] = "";

	bad_domain("localhost", "no dot");
	bad_domain("a.example.org.", "a dot too many");
	bad_domain("a..example.org", "a dot too many");
	bad_domain(".example.org", "a dot too many");
	bad_domain("-a.example.org", "begins or ends with a dash");
	bad_domain("a-.example.org", "begins or ends with a dash");
	bad_domain("a_b.example.org", "letters, digits, dashes and dots only");
	bad_domain("a b.example.org", "letters, digits, dashes and dots only");
	bad_domain("https://a.example.org", "neither scheme nor port");
	bad_domain("a.example.org:443", "neither scheme nor port");
	bad_domain("b\xc3\xbc"
	           "cher.example.org",
	           "A-labels");
	bad_domain("1.2.3", "neither a host name nor an address");
	bad_domain("1.2.3.400", "neither a host name nor an address");
	bad_domain("2001:db8::g", "no host name");
	bad_domain("0.0.0.0", "the address of nobody");
	bad_domain("::", "the address of nobody");
	bad_domain("a.*.example.org", "not all of its first part");
	bad_domain("a*.example.org", "not all of its first part");
	bad_domain("*.*.example.org", "not all of its first part");
	bad_domain("*.org", "no dot");
	bad_domain("a.example.org,,b.example.org", "a comma with nothing beside it");
	bad_domain(",a.example.org", "a comma with nothing beside it");
	bad_domain("a.example.org,", "a comma with nothing beside it");
	bad_domain("a.example.org, A.EXAMPLE.org", "there twice");
	bad_domain("2001:db8::1, [2001:DB8:0:0::1]", "there twice");
	memset(label, 'a', 64);
	snprintf(name, sizeof(name), "%s.example.org", label);
	bad_domain(name, "more than 63 bytes");
	name[0] = '\0';
	for (int i = 0; i < 127; i++)
		strcat(name, "a.");
	strcat(name, "de");
	bad_domain(name, "longer than a host name");
}

Test(le_settings, a_hundred_names_and_no_more)
{
	char list[4096] = "";
	struct settings *s;

	for (int i = 0; i < 100; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%sn%d.example.org",
		         i > 0 ? "," : "", i);
	s = good(FILE_OF("domain", list));
	cr_expect_eq(s->names.n, 100);
	settings_free(s);
	strcat(list, ",more.example.org");
	bad_domain(list, "more than 100 names");
}

Test(le_settings, what_keys_say_about_each_other)
{
	struct settings *s;

	bad(FILE_OF("domain", "*.example.org"), "wildcard");
	bad(FILE_OF("challenges", "dns-01"), "hook: is missing");
	bad(FILE_OF("challenges", "dns-01", "hook", "/bin/true", "domain", "192.0.2.1"), "address");
	bad(FILE_OF("staging", "yes", "directory-url", "https://ca.example.org/"),
	    "one of the two");
	bad(FILE_OF("eab-kid", "kid"), "eab-key: is missing");
	bad(FILE_OF("eab-key", "a2V5"), "eab-kid: is missing");
	bad(FILE_OF("retry-min", "60000", "retry-max", "59999"), "retry-max: is less");
	s = good(FILE_OF("challenges", "tls-alpn-01 ,dns-01", "hook", "/bin/true", "domain",
	                 "*.example.org, 192.0.2.1", "staging", "yes"));
	cr_expect_eq(s->challenges.order[0], CHALLENGE_TLS_ALPN);
	cr_expect_eq(s->challenges.order[1], CHALLENGE_DNS);
	cr_expect_str_eq(s->challenges.hook, "/bin/true");
	cr_expect(strstr(s->directory_url, "staging"));
	settings_free(s);
}

Test(le_settings, values_that_are_wrong)
{
	bad(FILE_OF("challenges", ""), "challenges: expected");
	bad(FILE_OF("challenges", "http-01,"), "challenges: expected");
	bad(FILE_OF("challenges", "http-01 tls-alpn-01"), "challenges: expected");
	bad(FILE_OF("challenges", "http-01, http-01"), "challenges: expected");
	bad(FILE_OF("challenges", "http-01, tls-alpn-01, dns-01, http-01", "hook", "/x"),
	    "challenges: expected");
	bad(FILE_OF("key-type", "ec521"), "key-type: expected");
	bad(FILE_OF("directory-url", "http://ca.example.org/"), "https://");
	bad(FILE_OF("directory-url", "https:///directory"), "https://");
	bad(FILE_OF("directory-url", "https://user:word@ca.example.org/"), "https://");
	bad(FILE_OF("directory-url", "https://ca.example.org/a b"), "https://");
	bad(FILE_OF("directory-url", ""), "https://");
	bad(FILE_OF("email", "a@b@c"), "email: expected");
	bad(FILE_OF("email", "a@example.org, b@example.org"), "email: expected");
	bad(FILE_OF("email", "@example.org"), "email: expected");
	bad(FILE_OF("ssl-dir", ""), "ssl-dir: expected");
	bad(FILE_OF("ssl-dir", "ssl"), "ssl-dir: expected");
	bad(FILE_OF("hook", "hook.sh"), "hook: expected");
	bad(FILE_OF("ca-file", "ca.pem"), "ca-file: expected");
	bad(FILE_OF("profile", "a b"), "profile: expected");
}

Test(le_settings, the_secret_is_not_told)
{
	static const char *const wrong[] = {"Z2VoZWlt!", "Z2Vo ZWlt", "Z2VoZWlt===", "Z2=VoZWlt"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		bad(FILE_OF("eab-kid", "kid", "eab-key", wrong[i]), "eab-key: expected base64url");
		cr_expect_null(strstr(said, "Z2"), "%s", said);
	}
	bad(FILE_OF("eab-key", "Z2VoZWlt"), "eab-kid");
	cr_expect_null(strstr(said, "Z2"), "%s", said);
	settings_free(good(FILE_OF("eab-kid", "kid", "eab-key", "Z2VoZWlt_-A=")));
}

Test(le_settings, all_that_is_wrong_is_named_in_one_go)
{
	bad(FILE_OF("domain", "a_b.de", "email", "x", "key-type", "x", "profile", "a b"), "domain");
	cr_expect(strstr(said, "email") && strstr(said, "key-type") && strstr(said, "profile"));
}

Test(le_settings, a_reload_keeps_what_needs_a_restart)
{
	struct settings *now = good(FILE_OF("domain", "a.example.org"));
	struct settings *fixed = settings_fixed(now);
	struct settings *next =
	    good(FILE_OF("domain", "b.example.org", "ssl-dir", "/other", "http-address", "*:81",
	                 "key-type", "ec384", "staging", "yes"));

	settings_free(now);
	cr_assert(fixed);
	settings_keep(next, fixed, &host);
	cr_expect_str_eq(next->ssl_dir, "/var/lib/netbird/");
	cr_expect_str_eq(next->directory_url, "https://acme-v02.api.letsencrypt.org/directory");
	cr_expect_str_eq(next->http_address, "*:80");
	cr_expect_eq(next->key_type, KEY_P384);
	cr_expect_str_eq(next->names.ids[0].value, "b.example.org");
	cr_expect(strstr(said, "key=ssl-dir") && strstr(said, "key=directory-url") &&
	          strstr(said, "key=http-address"));
	cr_expect_null(strstr(said, "key=tls-address"));
	settings_free(next);
	settings_free(fixed);
}

Test(le_settings, names_for_people_are_bounded)
{
	struct settings *s;
	char list[4096] = "", shown[100], tiny[20];

	for (int i = 0; i < 100; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%sn%d.example.org",
		         i > 0 ? "," : "", i);
	s = good(FILE_OF("domain", list));
	names_text(&s->names, ", ", shown, sizeof(shown));
	cr_expect_str_eq(shown, "n0.example.org, n1.example.org, n2.example.org, n3.example.org, "
	                        "n4.example.org and 95 more");
	names_text(&s->names, ", ", tiny, sizeof(tiny));
	cr_expect_str_eq(tiny, " and 100 more");
	settings_free(s);
}
