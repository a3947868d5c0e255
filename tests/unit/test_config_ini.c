/*
 * The strict pass: what is refused in the text of a file, and that what is not refused means
 * the same to iniparser.
 */
#include "config_case.h"
#include "config_ini.h"

#include <errno.h>

static const char *text_of(struct config *cfg)
{
	static char copy[1024];
	const char *value = "(missing)";

	config_plugin_str(config_plugin(cfg, "p"), "k", &value);
	snprintf(copy, sizeof(copy), "%s", value);
	config_free(cfg);
	return copy;
}

/* What the line "k<rest>" of a plugin's section means. */
static const char *meaning(const char *rest)
{
	char text[2048];

	snprintf(text, sizeof(text), "[plugin p]\nk%s\n", rest);
	return text_of(case_good(text));
}

static void refuse_value(const char *rest, const char *words)
{
	char text[2048], line[2048];

	snprintf(text, sizeof(text), "[plugin p]\nk%s\n", rest);
	snprintf(line, sizeof(line), "2: [plugin p] k: %s", words);
	case_bad(text, line);
}

Test(config_ini, values)
{
	cr_expect_str_eq(meaning("=a"), "a");
	cr_expect_str_eq(meaning(" = a b  c "), "a b  c");
	cr_expect_str_eq(meaning("\t=\ta\t"), "a");
	cr_expect_str_eq(meaning(" ="), "");
	cr_expect_str_eq(meaning(" = \"\""), "");
	cr_expect_str_eq(meaning(" = ''"), "");
	cr_expect_str_eq(meaning(" = \" a \""), " a ");
	cr_expect_str_eq(meaning(" = 'a\"b'"), "a\"b");
	cr_expect_str_eq(meaning(" = \"it's\""), "it's");
	cr_expect_str_eq(meaning(" = it's"), "it's");
	cr_expect_str_eq(meaning(" = a=b"), "a=b");
	cr_expect_str_eq(meaning(" == a"), "= a");
	cr_expect_str_eq(meaning(" = [x]"), "[x]");
	cr_expect_str_eq(meaning(" = \"[x]\""), "[x]");
	cr_expect_str_eq(meaning(" = A%s%n\\x"), "A%s%n\\x");
	cr_expect_str_eq(meaning(" = \xc3\xa4"), "\xc3\xa4");
}

Test(config_ini, comments_behind_a_value)
{
	cr_expect_str_eq(meaning(" = a # b"), "a");
	cr_expect_str_eq(meaning(" = a\t;b"), "a");
	cr_expect_str_eq(meaning(" = # b"), "");
	cr_expect_str_eq(meaning(" = ; b = \"c\""), "");
	cr_expect_str_eq(meaning(" = \"a # b\" # c"), "a # b");
	cr_expect_str_eq(meaning(" = 'a;b';c \"d\""), "a;b");
	cr_expect_str_eq(meaning(" = \"\" # \"c\""), "");
	cr_expect_str_eq(meaning(" = '' ; it's"), "");
}

Test(config_ini, what_iniparser_would_cut)
{
	static const char words[] =
	    "expected a space before a comment, or quotes around a value with # or ;, got ";
	char line[256];

	snprintf(line, sizeof(line), "%s\"a#b\"", words);
	refuse_value(" = a#b", line);
	snprintf(line, sizeof(line), "%s\"a;\"", words);
	refuse_value(" = a;", line);
	snprintf(line, sizeof(line), "%s\"#a\"", words);
	refuse_value(" =#a", line);
}

Test(config_ini, quotes)
{
	refuse_value(" = \"a", "expected a closing quote, got \"\"a\"");
	refuse_value(" = 'a\"", "expected a closing quote, got \"'a\"\"");
	refuse_value(" = \"", "expected a closing quote, got \"\"\"");
	refuse_value(" = \"a\" b",
	             "expected nothing but a comment after the closing quote, got \"\"a\" b\"");
	refuse_value(" = \"a\"\"b\"",
	             "expected nothing but a comment after the closing quote, got \"\"a\"\"b\"\"");
	refuse_value(" = ''b",
	             "expected nothing but a comment after the closing quote, got \"''b\"");
	refuse_value(" = a \"b;c\"",
	             "expected quotes around the whole value or none, got \"a \"b;c\"\"");
}

Test(config_ini, a_line_is_not_continued)
{
	refuse_value(" = a\\\nl = b",
	             "expected no backslash at the end, a line cannot be continued, got \"a\\\"");
	refuse_value(" = a # b \\  \nl = b", "expected no backslash at the end, a line cannot be "
	                                     "continued, got \"a # b \\\"");
	cr_expect_str_eq(text_of(case_good("# c:\\\n[plugin p]\n; c:\\\nk = a\n")), "a");
}

Test(config_ini, keys)
{
	case_bad("[daemon]\nuser =\nuser =\n", "3: [daemon] user: expected once, it is set at @:2");
	case_bad("user = x\n", "1: user: expected a [section] before the first key");
	case_bad("[daemon]\nUser = x\n", "2: \"User\": expected a name in small letters");
	case_bad("[daemon]\n= x\n", "2: \"\": expected a name");
	case_bad("[daemon]\nlog file = x\n",
	         "2: \"log file\": expected a name of a-z, 0-9, _ and -");
	case_bad("[daemon]\nlog:file = x\n",
	         "2: \"log:file\": expected a name of a-z, 0-9, _ and -");
	case_bad("[daemon]\nuser\n", "2: expected \"key = value\" or [section], got \"user\"");
	case_bad("[daemon]\nuser: x\n",
	         "2: expected \"key = value\" or [section], got \"user: x\"");
	case_bad(
	    "[plugin p]\n"
	    "a23456789012345678901234567890123456789012345678901234567890123x = 1\n",
	    "2: \"a23456789012345678901234567890123456789012345678901234567890123x\": expected a "
	    "shorter name");
	config_free(case_good(
	    "[plugin p]\na23456789012345678901234567890123456789012345678901234567890123 = 1\n"));
}

Test(config_ini, sections)
{
	case_bad("[daemon]\n[peers]\n[daemon]\n", "3: [daemon]: expected once, it began at @:1");
	case_bad("[plugin p]\n[plugin p]\n", "2: [plugin p]: expected once, it began at @:1");
	case_bad("[Daemon]\n", "1: [Daemon]: expected a name in small letters");
	case_bad("[plugin:p]\n", "1: [plugin:p]: expected a name without a colon");
	case_bad("[]\n", "1: []: expected a name");
	case_bad("[ ]\n", "1: []: expected a name");
	case_bad("[plugin  p]\n",
	         "1: [plugin  p]: expected at most two words with one space between "
	         "them");
	case_bad("[plugin p q]\n", "1: [plugin p q]: expected at most two words with one space "
	                           "between them");
	case_bad("[plugin p.q]\n", "1: [plugin p.q]: expected a name of a-z, 0-9, _ and -");
	case_bad("[plugin\tp]\n", "1: [plugin\\x09p]: expected a name of a-z, 0-9, _ and -");
	case_bad("[daemon\n", "1: expected [section] alone on its line, got \"[daemon\"");
	case_bad("[daemon]]\n", "1: expected [section] alone on its line, got \"[daemon]]\"");
	case_bad("[daemon] # x\n", "1: expected [section] alone on its line, got \"[daemon] # x\"");
	case_bad("[daemon] # [x]\n",
	         "1: expected [section] alone on its line, got \"[daemon] # [x]\"");
	config_free(case_good("  [ daemon ]  \n"));
}

/* One fault, not one for each key that follows it. */
Test(config_ini, keys_of_a_wrong_section_are_not_looked_at)
{
	case_bad("[Daemon]\nuser = x\nuser = y\n[peers]\n",
	         "1: [Daemon]: expected a name in small letters");
	case_bad("[daemons]\nuser = x\n[peers]\n",
	         "1: [daemons]: unknown section, expected [daemon], [listener NAME], [tls], "
	         "[tls NAME], [http], [limits], [peers] or [plugin NAME]");
}

Test(config_ini, bytes)
{
	static const char nul[] = "[daemon]\nuser = \0x\n";

	case_bad_bytes(nul, sizeof(nul) - 1, "2: expected text, got a control character", 1);
	case_bad("[daemon]\n\x1b[2J\n", "2: expected text, got a control character");
	case_bad("[daemon]\nuser = a\rb\n", "2: expected text, got a control character");
	case_bad("\xef\xbb\xbf[daemon]\n", "1: expected text without a byte order mark");
	config_free(case_good("[daemon]\r\nuser = root\r\n\r\n"));
	config_free(case_good("[daemon]\nuser = root"));
	config_free(case_good("\n\n\t\n # \xff\xfe\n"));
	case_bad("[daemon]\nuser = \xff\xfe\n",
	         "2: [daemon] user: expected a user of this machine, got \"\\xff\\xfe\"");
}

Test(config_ini, long_lines)
{
	char text[4096], line[64];
	struct config *cfg;
	int spare;

	for (spare = 0; spare < 2; spare++) {
		int head = sprintf(text, "[plugin p]\nk = ");

		memset(text + head, 'x', CONFIG_LINE_MAX);
		strcpy(text + head + CONFIG_LINE_MAX - 4 + spare, "\n[peers]\n");
		snprintf(line, sizeof(line), "2: expected a shorter line");
		if (spare)
			case_bad(text, line);
		else
			cr_expect_eq(strlen(text_of(case_good(text))), CONFIG_LINE_MAX - 4);
	}
	/* Comments and blanks count, too: iniparser would give up on the file. */
	memset(text, ' ', CONFIG_LINE_MAX + 1);
	text[CONFIG_LINE_MAX + 1] = '\0';
	case_bad(text, "1: expected a shorter line");
	text[CONFIG_LINE_MAX] = '\0';
	config_free(case_good(text));
	cr_expect_eq(case_bytes(&cfg, text, CONFIG_LINE_MAX), 0);
	config_free(cfg);
}

Test(config_ini, many_keys_and_sections)
{
	char *text = malloc(1 << 20), *p;
	struct config *cfg;
	int i;

	p = text + sprintf(text, "[plugin p]\n");
	for (i = 0; i < CONFIG_ENTRIES_MAX; i++)
		p += sprintf(p, "k%d = %d\n", i, i);
	cfg = case_good(text);
	cr_expect_eq(config_plugin(cfg, "p")->n_entries, CONFIG_ENTRIES_MAX);
	config_free(cfg);
	strcpy(p, "k = 1\n");
	case_bad(text, "4098: expected at most 4096 keys");
	for (i = 0, p = text; i <= CONFIG_ENTRIES_MAX; i++)
		p += sprintf(p, "[plugin p%d]\n", i);
	case_bad(text, "4097: expected at most 4096 sections");
	free(text);
}
