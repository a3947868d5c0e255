/*
 * The strict pass over an INI file.  What iniparser 4.1 would do without it: keep the last of
 * repeated keys, lower names, glue a line to the next after a backslash (a comment, too), cut
 * values at # and ;, take an unclosed quote for a closed one and drop what follows the closing
 * one, and give up on the whole file for one long line.
 */
#include "config_scan.h"
#include "config_fault.h"
#include "config_ini.h"
#include "config_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME_MAX 4096 /* what open(2) takes */

struct scan {
	struct config_ini *ini;
	struct config_store *store;
	struct config_faults *faults;
	char where[FILE_NAME_MAX + 16];
	struct config_section *section; /* NULL: before the first, or in one that is wrong */
	bool in_wrong_section;
};

/* Part of a line, without white space at its ends. */
struct span {
	const char *p;
	size_t len;
};

/* For "%.*s". */
#define SPAN(s) (int)((s).len < 100 ? (s).len : 100), (s).p

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span strip(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	while (p < end && is_blank(end[-1]))
		end--;
	return (struct span){p, (size_t)(end - p)};
}

/* NULL, or what is wrong with one word of a section's name or with a key. */
static const char *word_fault(struct span word)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t i;

	for (i = 0; i < word.len; i++) {
		if (word.p[i] >= 'A' && word.p[i] <= 'Z')
			return "expected a name in small letters";
		if (!strchr(letters, word.p[i]))
			return "expected a name of a-z, 0-9, _ and -";
	}
	if (word.len == 0)
		return "expected a name";
	return word.len < CONFIG_KEY_MAX ? NULL : "expected a shorter name";
}

static const char *section_fault(struct span name)
{
	const char *blank = memchr(name.p, ' ', name.len);
	struct span kind = name, rest;
	const char *fault;

	if (memchr(name.p, ':', name.len))
		return "expected a name without a colon";
	if (blank)
		kind.len = (size_t)(blank - name.p);
	if ((fault = word_fault(kind)) != NULL || !blank)
		return fault;
	rest = (struct span){blank + 1, name.len - kind.len - 1};
	if (memchr(rest.p, ' ', rest.len))
		return "expected at most two words with one space between them";
	return word_fault(rest);
}

/* The functions for one line return 1 to keep it, 0 to leave it out, or a negative errno. */
static int header(struct scan *s, struct span line)
{
	const char *end = line.p + line.len - 1, *fault;
	struct config_section *known;
	struct span name;

	s->section = NULL;
	s->in_wrong_section = true;
	if (memchr(line.p, ']', line.len) != end) {
		config_fault(s->faults, s->where,
		             "expected [section] alone on its line, got \"%.*s\"", SPAN(line));
		return 0;
	}
	name = strip(line.p + 1, end);
	if ((fault = section_fault(name)) != NULL) {
		config_fault(s->faults, s->where, "[%.*s]: %s", SPAN(name), fault);
		return 0;
	}
	s->in_wrong_section = false;
	if ((known = config_ini_section(s->ini, name.p, name.len)) != NULL) {
		config_fault(s->faults, s->where, "[%s]: expected once, it began at %s",
		             known->text, known->where);
		s->section = known;
		return 1;
	}
	if (s->ini->n_sections >= CONFIG_ENTRIES_MAX) {
		config_fault(s->faults, s->where, "expected at most %d sections",
		             CONFIG_ENTRIES_MAX);
		return -EFBIG;
	}
	s->section = config_ini_add_section(s->ini, config_store_copy(s->store, name.p, name.len),
	                                    config_store_print(s->store, "%s", s->where));
	return s->section ? 1 : -ENOMEM;
}

static const char *quoted_fault(struct span v)
{
	const char *close = memchr(v.p + 1, v.p[0], v.len - 1);
	struct span rest;

	if (!close)
		return "expected a closing quote";
	rest = strip(close + 1, v.p + v.len);
	if (rest.len > 0 && rest.p[0] != '#' && rest.p[0] != ';')
		return "expected nothing but a comment after the closing quote";
	return NULL;
}

/* NULL, or what is wrong with the text behind the equals sign. */
static const char *value_fault(struct span v)
{
	const char *c;

	if (v.len > 0 && v.p[v.len - 1] == '\\')
		return "expected no backslash at the end, a line cannot be continued";
	if (v.len > 0 && (v.p[0] == '"' || v.p[0] == '\''))
		return quoted_fault(v);
	for (c = v.p; c < v.p + v.len; c++) {
		if (*c == '"')
			return "expected quotes around the whole value or none";
		if (*c != '#' && *c != ';')
			continue;
		if (is_blank(c[-1]))
			return NULL; /* a comment */
		return "expected a space before a comment, or quotes around a value with # or ;";
	}
	return NULL;
}

static int add_entry(struct scan *s, struct span key)
{
	if (s->ini->n_entries >= CONFIG_ENTRIES_MAX) {
		config_fault(s->faults, s->where, "expected at most %d keys", CONFIG_ENTRIES_MAX);
		return -EFBIG;
	}
	return config_ini_add_entry(s->ini, s->section, config_store_copy(s->store, key.p, key.len),
	                            config_store_print(s->store, "%s", s->where));
}

static int setting(struct scan *s, struct span key, struct span value)
{
	const char *fault = word_fault(key);
	struct config_entry *known;

	if (fault) {
		config_fault(s->faults, s->where, "\"%.*s\": %s", SPAN(key), fault);
		return 0;
	}
	if (!s->section) {
		if (!s->in_wrong_section)
			config_fault(s->faults, s->where,
			             "%.*s: expected a [section] before the first key", SPAN(key));
		return 0;
	}
	if ((known = config_ini_entry(s->section, key.p, key.len)) != NULL) {
		config_fault(s->faults, s->where, "[%s] %s: expected once, it is set at %s",
		             s->section->text, known->key, known->where);
		return 0;
	}
	if ((fault = value_fault(value)) != NULL) {
		config_fault(s->faults, s->where, "[%s] %.*s: %s, got \"%.*s\"", s->section->text,
		             SPAN(key), fault, SPAN(value));
		return 0;
	}
	return add_entry(s, key);
}

/* NULL, or why the line cannot be looked at more closely. */
static const char *line_fault(const char *p, size_t len)
{
	size_t i;

	if (len > CONFIG_LINE_MAX)
		return "expected a shorter line";
	for (i = 0; i < len; i++) {
		if (((unsigned char)p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f)
			return "expected text, got a control character";
	}
	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		return "expected text without a byte order mark";
	return NULL;
}

static int scan_line(struct scan *s, const char *p, size_t len)
{
	const char *fault = line_fault(p, len), *end = p + len, *equals;
	struct span line = strip(p, end);

	if (fault) {
		config_fault(s->faults, s->where, "%s", fault);
		return 0;
	}
	if (line.len == 0 || line.p[0] == '#' || line.p[0] == ';')
		return 0;
	if (line.p[0] == '[')
		return header(s, line);
	if ((equals = memchr(line.p, '=', line.len)) == NULL) {
		config_fault(s->faults, s->where,
		             "expected \"key = value\" or [section], got \"%.*s\"", SPAN(line));
		return 0;
	}
	return setting(s, strip(line.p, equals), strip(equals + 1, end));
}

int config_scan(struct config_ini *ini, const char *file, char *text, size_t *len,
                struct config_store *store, struct config_faults *faults)
{
	struct scan s = {.ini = ini, .store = store, .faults = faults};
	char *p = text, *kept = text, *end = text + *len;
	unsigned number = 0;
	int r;

	while (p < end) {
		char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((newline ? newline : end) - p);
		size_t bare = n > 0 && p[n - 1] == '\r' ? n - 1 : n;

		snprintf(s.where, sizeof(s.where), "%s:%u", file, ++number);
		if ((r = scan_line(&s, p, bare)) < 0)
			return r;
		memmove(kept, p, r ? bare : 0);
		kept += r ? bare : 0;
		p += n;
		if (newline)
			*kept++ = *p++;
	}
	*len = (size_t)(kept - text);
	return 0;
}
