/* What the ACME client reads and writes of texts: base64url, dates, URLs, problems, failures. */
#include "../../plugins/letsencrypt/base64url.h"
#include "../../plugins/letsencrypt/dates.h"
#include "../../plugins/letsencrypt/problem.h"
#include "../../plugins/letsencrypt/web.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- base64url ------------------------------------------------------------------------------- */

static const struct {
	const char *bytes, *text;
} vectors[] = {
    /* RFC 4648, 10, without the padding. */
    {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
    {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbe", "-_--"},
};

Test(base64url, vectors_both_ways)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		size_t n = strlen(vectors[i].bytes), len = 99;
		char text[BASE64URL_SIZE(6)], bytes[6];

		cr_assert_eq(base64url_encode(text, vectors[i].bytes, n), strlen(vectors[i].text));
		cr_assert_str_eq(text, vectors[i].text);
		cr_assert_eq(strlen(text) + 1, BASE64URL_SIZE(n));
		cr_assert_eq(base64url_decode(bytes, sizeof(bytes), text, &len), 0, "%s", text);
		cr_assert_eq(len, n);
		cr_assert_eq(memcmp(bytes, vectors[i].bytes, n), 0);
	}
}

/* RFC 7515, appendix C. */
Test(base64url, vector_of_jws)
{
	static const unsigned char bytes[] = {3, 236, 255, 224, 193};
	char text[BASE64URL_SIZE(5)];

	base64url_encode(text, bytes, sizeof(bytes));
	cr_assert_str_eq(text, "A-z_4ME");
}

Test(base64url, every_byte_comes_back)
{
	unsigned char bytes[256], back[256];
	char text[BASE64URL_SIZE(256)];
	size_t len;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		base64url_encode(text, bytes, n);
		cr_assert_eq(base64url_decode(back, n, text, &len), 0);
		cr_assert_eq(len, n);
		cr_assert_eq(memcmp(back, bytes, n), 0);
	}
}

Test(base64url, what_is_not_of_it_is_refused)
{
	static const char *const bad[] = {"Zg==", "Zg=",   "Z",  "Zm9vY",  "Zm9+",    "Zm9/",
	                                  "Zm 9", "Zm9\n", "Zh", "Zm9vYn", "\xc3\xa4"};
	char bytes[16];
	size_t len;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_assert_eq(base64url_decode(bytes, sizeof(bytes), bad[i], &len), -EINVAL, "%s",
		             bad[i]);
}

Test(base64url, what_does_not_fit_is_refused)
{
	char bytes[5];
	size_t len;

	cr_assert_eq(base64url_decode(bytes, 5, "Zm9vYmFy", &len), -ENOSPC);
	cr_assert_eq(base64url_decode(bytes, 5, "Zm9vYmE", &len), 0);
}

Test(base64url, a_token_is_of_the_alphabet_and_not_longer)
{
	cr_assert(base64url_is("aZ09-_", 6));
	cr_assert_not(base64url_is("aZ09-_", 5));
	cr_assert_not(base64url_is("", 5));
	cr_assert_not(base64url_is("../x", 5));
	cr_assert_not(base64url_is("a=", 5));
	cr_assert_not(base64url_is("a b", 5));
}

/* --- dates ----------------------------------------------------------------------------------- */

Test(dates, three_forms_of_http)
{
	static const char *const same[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
	                                   "Sunday, 06-Nov-94 08:49:37 GMT",
	                                   "Sun Nov  6 08:49:37 1994"};
	time_t t;

	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(dates_http(same[i], &t), 0, "%s", same[i]);
		cr_assert_eq(t, 784111777);
	}
	cr_assert_eq(dates_http("Wed Nov 16 08:49:37 1994", &t), 0);
	cr_assert_eq(t, 784111777 + 10 * 86400);
	cr_assert_eq(dates_http("Thu, 29 Feb 2024 23:59:60 GMT", &t), 0);
	cr_assert_eq(t, 1709251200);
}

Test(dates, what_is_no_date_of_http_is_refused)
{
	static const char *const bad[] = {
	    "",
	    "0",
	    "Sun",
	    "Sun, 06 Nov 1994 08:49:37",
	    "Sun, 06 Nov 1994 08:49:37 GMT ",
	    " Sun, 06 Nov 1994 08:49:37 GMT",
	    "Sun, 06 Nov 1994 08:49:37 UTC",
	    "Sun, 6 Nov 1994 08:49:37 GMT",
	    "Sun, 06 Nov 94 08:49:37 GMT",
	    "Sun, 06 nov 1994 08:49:37 GMT",
	    "Sun, 00 Nov 1994 08:49:37 GMT",
	    "Sun, 31 Nov 1994 08:49:37 GMT",
	    "Thu, 29 Feb 2023 08:49:37 GMT",
	    "Sun, 06 Nov 1994 24:49:37 GMT",
	    "Sun, 06 Nov 1994 08:60:37 GMT",
	    "Sun, 06 Nov 1994 08:49:61 GMT",
	    "Son, 06 Nov 1994 08:49:37 GMT",
	    "Sunday, 06 Nov 1994 08:49:37 GMT",
	    "Sunday Nov  6 08:49:37 1994",
	    "Sun Nov 6 08:49:37 1994",
	    "1994-11-06T08:49:37Z",
	};
	time_t t;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_assert_eq(dates_http(bad[i], &t), -EINVAL, "\"%s\"", bad[i]);
}

Test(dates, rfc3339)
{
	static const struct {
		const char *text;
		time_t t;
	} good[] = {
	    {"2025-01-02T04:00:00Z", 1735790400},
	    {"2025-01-02T04:00:00.123456789Z", 1735790400},
	    {"2025-01-02T05:30:00+01:30", 1735790400},
	    {"2025-01-01T22:00:00-06:00", 1735790400},
	    {"1970-01-01T00:00:00Z", 0},
	    {"2024-02-29T00:00:00Z", 1709164800},
	};
	static const char *const bad[] = {
	    "",
	    "2025-01-02",
	    "2025-01-02T04:00:00",
	    "2025-01-02 04:00:00Z",
	    "2025-01-02T04:00:00.Z",
	    "2025-01-02T04:00:00z ",
	    "2025-13-02T04:00:00Z",
	    "2025-02-29T04:00:00Z",
	    "2025-01-02T04:00:00+1:30",
	    "2025-01-02T04:00:00+24:00",
	    "2025-01-02T04:00:00+01:30x",
	    "20250-01-02T04:00:00Z",
	};
	time_t t;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		cr_assert_eq(dates_rfc3339(good[i].text, &t), 0, "%s", good[i].text);
		cr_assert_eq(t, good[i].t, "%s", good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_assert_eq(dates_rfc3339(bad[i], &t), -EINVAL, "\"%s\"", bad[i]);
}

Test(dates, retry_after_is_seconds_or_a_date_and_bounded)
{
	static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";
	static const char *const bad[] = {
	    "", " 1", "1 ", "-1", "+1", "1.5", "1s", "0x10", "Sun, 06 Nov 1994"};
	const time_t then = 784111777;
	uint64_t s;

	cr_assert(dates_retry_after("0", 0, 100, &s) == 0 && s == 0);
	cr_assert(dates_retry_after("7", 0, 100, &s) == 0 && s == 7);
	cr_assert(dates_retry_after("100", 0, 100, &s) == 0 && s == 100);
	cr_assert(dates_retry_after("101", 0, 100, &s) == 0 && s == 100);
	cr_assert(dates_retry_after("99999999999999999999999999", 0, 100, &s) == 0 && s == 100);
	cr_assert(dates_retry_after(date, then - 60, 100, &s) == 0 && s == 60);
	cr_assert(dates_retry_after(date, then + 60, 100, &s) == 0 && s == 0);
	cr_assert(dates_retry_after(date, 0, 100, &s) == 0 && s == 100);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_assert_eq(dates_retry_after(bad[i], 0, 100, &s), -EINVAL, "\"%s\"", bad[i]);
}

/* --- URLs ------------------------------------------------------------------------------------ */

Test(urls, only_https_without_surprises)
{
	static const char *const bad[] = {"",
	                                  "http://ca.example/dir",
	                                  "ftp://ca.example",
	                                  "https://",
	                                  "https:///dir",
	                                  "https://user:word@ca.example/",
	                                  "https://ca.example/a b",
	                                  "https://ca.example/a\r\nX: y",
	                                  "https://ca.ex\xc3\xa4mple/",
	                                  "//ca.example/",
	                                  " https://ca.example/"};
	char longest[WEB_URL_MAX + 1] = "https://ca.example/", host[32];

	cr_assert(web_url_ok("https://ca.example/dir?a=b@c"));
	cr_assert(web_url_ok("HTTPS://[::1]:14000/dir"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_assert_not(web_url_ok(bad[i]), "\"%s\"", bad[i]);
	memset(longest + 19, 'a', WEB_URL_MAX - 20);
	cr_assert_eq(strlen(longest), WEB_URL_MAX - 1);
	cr_assert(web_url_ok(longest));
	longest[WEB_URL_MAX - 1] = 'a';
	cr_assert_not(web_url_ok(longest));
	web_host("https://ca.example:14000/dir", host, sizeof(host));
	cr_assert_str_eq(host, "ca.example:14000");
	web_host("https://ca.example?x", host, sizeof(host));
	cr_assert_str_eq(host, "ca.example");
}

/* --- problems -------------------------------------------------------------------------------- */

static int fail(const char *text, unsigned status, struct failure *f)
{
	json_t *json = json_loads(text, 0, NULL);
	struct problem p;
	int r;

	problem_read(&p, json);
	r = problem_fail(f, &p, status, "the order", "ca.example");
	json_decref(json);
	return r;
}

#define ACME "urn:ietf:params:acme:error:"

Test(problems, kinds_of_failures)
{
	static const struct {
		const char *json;
		unsigned status;
		enum failure_kind kind;
		int code;
		const char *text;
	} table[] = {
	    {"{\"type\":\"" ACME "rejectedIdentifier\",\"detail\":\"no\"}", 403, FAILURE_REFUSED,
	     -EACCES, "the CA refuses the order: rejectedIdentifier: no"},
	    {"{\"type\":\"" ACME "rateLimited\",\"detail\":\"too many\"}", 429, FAILURE_RATE_LIMIT,
	     -EAGAIN, "the CA limits the rate of the order: rateLimited: too many"},
	    {"{\"type\":\"" ACME "rateLimited\"}", 403, FAILURE_RATE_LIMIT, -EAGAIN,
	     "the CA limits the rate of the order: rateLimited"},
	    {"{}", 429, FAILURE_RATE_LIMIT, -EAGAIN,
	     "the CA limits the rate of the order: status 429"},
	    {"{\"type\":\"" ACME "serverInternal\",\"detail\":\"oops\"}", 500, FAILURE_SERVER, -EIO,
	     "the CA (ca.example) fails at the order: serverInternal: oops"},
	    {"<html>", 503, FAILURE_SERVER, -EIO,
	     "the CA (ca.example) fails at the order: status 503"},
	    {"{\"type\":\"" ACME "badNonce\"}", 400, FAILURE_SERVER, -EIO,
	     "the CA (ca.example) fails at the order: badNonce"},
	    {"{\"type\":\"" ACME "userActionRequired\",\"detail\":\"new terms\","
	     "\"instance\":\"https://ca.example/terms\"}",
	     403, FAILURE_REFUSED, -EACCES,
	     "the CA wants the account's holder to act first: userActionRequired: new terms: see "
	     "https://ca.example/terms"},
	    {"{\"type\":\"" ACME "externalAccountRequired\",\"detail\":\"who?\"}", 403,
	     FAILURE_REFUSED, -EACCES,
	     "the CA wants an external account, eab-kid and eab-key: externalAccountRequired: "
	     "who?"},
	    {"{\"type\":\"about:blank\",\"title\":\"Not Found\"}", 404, FAILURE_REFUSED, -EACCES,
	     "the CA refuses the order: Not Found"},
	    {"<html>", 404, FAILURE_NETWORK, -EPROTO,
	     "ca.example does not answer as an ACME server: status 404 for the order"},
	    {"", 302, FAILURE_NETWORK, -EPROTO,
	     "ca.example does not answer as an ACME server: status 302 for the order, not "
	     "followed"},
	    {"[]", 400, FAILURE_NETWORK, -EPROTO,
	     "ca.example does not answer as an ACME server: status 400 for the order"},
	    {"{\"type\":7,\"detail\":[],\"subproblems\":{\"a\":1}}", 400, FAILURE_NETWORK, -EPROTO,
	     "ca.example does not answer as an ACME server: status 400 for the order"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct failure f = {.retry_after_s = 5};

		cr_assert_eq(fail(table[i].json, table[i].status, &f), table[i].code, "%s", f.text);
		cr_assert_str_eq(f.text, table[i].text);
		cr_assert_eq(f.kind, table[i].kind, "%s", f.text);
		cr_assert_eq(f.retry_after_s, 0);
	}
}

/* The example of RFC 8555, 6.7.1. */
Test(problems, subproblems_are_told)
{
	struct failure f;

	fail("{\"type\":\"" ACME "malformed\",\"detail\":\"Some of the identifiers requested were "
	     "rejected\",\"subproblems\":[{\"type\":\"" ACME "malformed\",\"detail\":\"Invalid "
	     "underscore in DNS name \\\"_example.org\\\"\",\"identifier\":{\"type\":\"dns\","
	     "\"value\":\"_example.org\"}},{\"type\":\"" ACME
	     "rejectedIdentifier\",\"detail\":\"This "
	     "CA will not issue for "
	     "\\\"example.net\\\"\",\"identifier\":{\"type\":\"dns\",\"value\":"
	     "\"example.net\"}}]}",
	     403, &f);
	cr_assert_str_eq(
	    f.text, "the CA refuses the order: malformed: Some of the identifiers requested were "
		    "rejected; _example.org: malformed: Invalid underscore in DNS name "
		    "\"_example.org\"; example.net: rejectedIdentifier: This CA will not issue "
		    "for \"example.net\"");
}

Test(problems, many_and_long_ones_are_cut)
{
	char detail[3001], sub[256], *text;
	json_t *json = json_object(), *list = json_array();
	struct problem p;
	struct failure f;

	memset(detail, 'd', sizeof(detail) - 1);
	detail[sizeof(detail) - 1] = '\0';
	snprintf(sub, sizeof(sub), ACME "%.200s", detail);
	for (int i = 0; i < 1000; i++)
		json_array_append_new(list, json_pack("{s:s}", "type", "x"));
	json_object_set_new(json, "type", json_string(sub));
	json_object_set_new(json, "subproblems", list);
	problem_read(&p, json);
	cr_assert_eq(strlen(p.type), PROBLEM_TYPE_MAX - 1);
	cr_assert(strstr(p.text, "x; x; x; x; x; x; x; x; ...") != NULL, "%s", p.text);
	json_object_set_new(json, "detail", json_string(detail));
	text = json_dumps(json, 0);
	fail(text, 400, &f);
	cr_assert_lt(strlen(f.text), sizeof(f.text));
	free(text);
	json_decref(json);
}

Test(failures, what_would_act_on_a_terminal_is_replaced)
{
	struct failure f;

	cr_assert_eq(failure_set(&f, FAILURE_HOOK, -EPIPE, "a\nb\tc\rd\x1b[2Je\x7f"), -EPIPE);
	cr_assert_str_eq(f.text, "a b c?d?[2Je?");
	failure_set(&f, FAILURE_HOOK, -1, "%s", "m\xc3\xbcnchen \xe2\x82\xac \xf0\x9f\x98\x80");
	cr_assert_str_eq(f.text, "m\xc3\xbcnchen \xe2\x82\xac \xf0\x9f\x98\x80");
	/* C1, a change of direction, surrogates, overlong forms, a lone and a cut sequence. */
	failure_set(&f, FAILURE_HOOK, -1, "%s",
	            "\xc2\x9b \xe2\x80\xae \xed\xa0\x80 \xc0\x8a \x80 \xe2\x82");
	cr_assert_str_eq(f.text, "? ? ??? ?? ? ??");
}

Test(failures, long_ones_are_cut_between_characters)
{
	char text[2 * sizeof(((struct failure *)0)->text)] = "";
	struct failure f;

	for (size_t shift = 0; shift < 3; shift++) {
		size_t len;

		memset(text, 'a', shift);
		for (len = shift; len + 3 < sizeof(text); len += 3)
			memcpy(text + len, "\xe2\x82\xac", 3);
		text[len] = '\0';
		failure_set(&f, FAILURE_HOOK, -1, "%s", text);
		cr_assert_null(strchr(f.text, '?'), "%s", f.text);
		cr_assert_str_eq(f.text + strlen(f.text) - 3, "...");
		cr_assert_gt(strlen(f.text), sizeof(f.text) - 8);
	}
}

Test(failures, one_can_be_put_into_other_words)
{
	struct failure f;

	failure_set(&f, FAILURE_SERVER, -EIO, "inner");
	f.retry_after_s = 7;
	failure_set(&f, f.kind, -EIO, "outer: %s", f.text);
	cr_assert_str_eq(f.text, "outer: inner");
	cr_assert_eq(f.kind, FAILURE_SERVER);
	cr_assert_eq(f.retry_after_s, 0);
}

Test(failures, every_kind_has_a_label_of_its_own)
{
	for (int i = 0; i < FAILURE_KINDS; i++)
		for (int k = 0; k < i; k++)
			cr_assert_str_neq(failure_label((enum failure_kind)i),
			                  failure_label((enum failure_kind)k));
	cr_assert_str_eq(failure_label(FAILURE_RATE_LIMIT), "rate_limit");
	cr_assert_str_eq(failure_label(FAILURE_KINDS), "none");
}
