/*
 * Broken files by the thousand, always the same ones: whatever is accepted means the same to
 * iniparser alone, and loading it again changes nothing.
 */
#include "config_case.h"

#include <iniparser/iniparser.h>

#define MUTANTS 2000

static const char good[] = "[daemon]\nlog-level = debug # comment\nlog-file = \"/tmp/a;b\"\nuser=\n"
			   "[listener signal]\naddress = 127.0.0.1:1, [::1]:2\nhttp2 = p\n"
			   "tls = required\nproxy-protocol = required\n"
			   "trusted-proxies = 10.0.0.0/8, ::1\n"
			   "[tls]\nmin-version = 1.3\n"
			   "[tls a]\ncert-file = /c\ncert-key = /k\n"
			   "[limits]\nmax-message-size = 4M\n\n; comment\n[peers]\n"
			   "send-timeout = 10s\n[plugin p]\nkey = 'a b' ; comment\nother = v\n";

static const char *const pieces[] = {"=",
                                     "\"",
                                     "'",
                                     "#",
                                     ";",
                                     " ",
                                     "\t",
                                     "\n",
                                     "\r\n",
                                     "[",
                                     "]",
                                     "\\",
                                     "\\\n",
                                     ":",
                                     "\xff",
                                     "\xc3\xa4",
                                     "-1",
                                     "%s%n",
                                     "4M",
                                     "10s",
                                     "''",
                                     "\"\"",
                                     ",",
                                     "*:0",
                                     "a # b",
                                     "\x1b",
                                     "k=",
                                     "k = \"",
                                     "[peers]",
                                     "\nx\n",
                                     "  ",
                                     "[plugin p]\n",
                                     "[plugin q]\n",
                                     "18446744073709551616",
                                     "# c:\\\n"};

static uint32_t state = 1;

static uint32_t below(uint32_t n)
{
	state = state * 1664525 + 1013904223;
	return (state >> 8) % n;
}

static size_t insert(char *text, size_t len, size_t at, const char *piece, size_t n)
{
	memmove(text + at + n, text + at, len - at);
	memcpy(text + at, piece, n);
	return len + n;
}

static size_t mutate(char *text, size_t len)
{
	size_t at = below((uint32_t)len), n;
	const char *piece = pieces[below(sizeof(pieces) / sizeof(pieces[0]))];
	char copy[64];

	switch (below(4)) {
	case 0:
		text[at] = (char)below(256);
		return len;
	case 1:
		return insert(text, len, at, piece, strlen(piece));
	case 2: /* a part once more, elsewhere */
		n = below(sizeof(copy)) % (len - at);
		memcpy(copy, text + at, n);
		return insert(text, len, below((uint32_t)len), copy, n);
	default: /* a part is gone */
		n = below(16) % (len - at);
		memmove(text + at, text + at + n, len - at - n);
		return len - n;
	}
}

static int be_quiet(const char *fmt, ...)
{
	(void)fmt;
	return 0;
}

/* The backslash is where the two differ on purpose: in a comment it is allowed. */
static bool same_as_iniparser(struct config *cfg, const char *text)
{
	dictionary *dict;
	bool same = true;
	size_t i, j;

	if (strchr(text, '\\'))
		return true;
	iniparser_set_error_callback(be_quiet);
	dict = iniparser_load(case_file);
	for (i = 0; dict && i < cfg->n_plugins; i++) {
		for (j = 0; j < cfg->plugins[i].n_entries; j++) {
			const struct config_entry *e = &cfg->plugins[i].entries[j];
			char name[160];

			snprintf(name, sizeof(name), "plugin %s:%s", cfg->plugins[i].name, e->key);
			same &= strcmp(iniparser_getstring(dict, name, "(none)"), e->value) == 0;
		}
	}
	if (dict)
		same &= strcmp(iniparser_getstring(dict, "daemon:log-file", cfg->log_file),
		               cfg->log_file) == 0;
	iniparser_freedict(dict);
	return same && dict;
}

Test(mutants, mean_the_same_or_are_refused, .timeout = 60)
{
	struct options opt = {.config = {case_file, "--config"}};
	unsigned i, m, accepted = 0;

	for (i = 0; i < MUTANTS; i++) {
		char text[2048];
		size_t len = sizeof(good) - 1;
		struct config *cfg, *again;

		memcpy(text, good, sizeof(good));
		for (m = 1 + below(2); m > 0; m--)
			len = mutate(text, len);
		text[len] = '\0';
		case_write(text, len);
		if (case_load(&cfg, &opt) == 0) {
			accepted++;
			cr_expect(same_as_iniparser(cfg, text), "%s", text);
			cr_assert_eq(case_load(&again, &opt), 0);
			cr_expect_eq(config_warn_restart(cfg, again), 0);
			config_free(again);
		} else {
			cr_expect_null(cfg);
			cr_expect_eq(strncmp(case_said, "netbird-signal: ", 16), 0, "%s",
			             case_said);
		}
		config_free(cfg);
		unlink(case_file);
	}
	cr_expect(accepted > MUTANTS / 20 && accepted < MUTANTS, "%u accepted", accepted);
}
