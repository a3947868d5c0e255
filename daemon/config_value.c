/*
 * Numbers with units, booleans and names.
 */
#include "config_value.h"
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define N_SUFFIXES 4

/* Each unit's suffixes, the largest first; `bare` is what a number without one counts. */
static const struct unit {
	const char *words, *example;
	int64_t bare;
	struct {
		const char *text;
		int64_t factor;
	} suffixes[N_SUFFIXES];
} units[] = {
    [CONFIG_COUNT] = {"a number", "", 1, {{"", 1}}},
    [CONFIG_DURATION] = {"a duration",
                         ", such as 10s or 500ms",
                         1000,
                         {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}}},
    [CONFIG_SIZE] = {"a size",
                     ", such as 64K or 4M",
                     1,
                     {{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"", 1}}},
};

/* What the text after the digits multiplies by, or 0. */
static int64_t factor_of(const struct unit *u, const char *suffix)
{
	size_t i;

	if (*suffix == '\0')
		return u->bare;
	for (i = 0; i < N_SUFFIXES && u->suffixes[i].text; i++) {
		const char *text = u->suffixes[i].text;

		/* 64k is 64K, but who writes 5M for a duration may mean months. */
		if (*text && (u == &units[CONFIG_SIZE] ? strcasecmp : strcmp)(text, suffix) == 0)
			return u->suffixes[i].factor;
	}
	return 0;
}

int config_value_number(const char *text, enum config_unit unit, int64_t min, int64_t max,
                        int64_t *out)
{
	bool negative = *text == '-', overflow = false;
	const char *s = text + negative;
	int64_t value = 0, factor;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++)
		overflow |= __builtin_mul_overflow(value, 10, &value) ||
		            __builtin_add_overflow(value, *s - '0', &value);
	factor = factor_of(&units[unit], s);
	if (factor == 0)
		return -EINVAL;
	overflow |= __builtin_mul_overflow(value, negative ? -factor : factor, &value);
	if (overflow || value < min || value > max)
		return -ERANGE;
	*out = value;
	return 0;
}

int config_value_bool(const char *text, bool *out)
{
	static const char *const words[][2] = {
	    {"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		bool yes = strcasecmp(text, words[i][1]) == 0;

		if (yes || strcasecmp(text, words[i][0]) == 0) {
			*out = yes;
			return 0;
		}
	}
	return -EINVAL;
}

bool config_value_is_name(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (!(text[i] >= 'a' && text[i] <= 'z') && !(text[i] >= '0' && text[i] <= '9') &&
		    text[i] != '-' && text[i] != '_')
			return false;
	}
	return len > 0 && len < CONFIG_NAME_MAX;
}

void config_value_print(char out[static CONFIG_WORDS], enum config_unit unit, int64_t value)
{
	const struct unit *u = &units[unit];
	size_t i;

	for (i = 0; i < N_SUFFIXES && u->suffixes[i].text; i++) {
		if (value != 0 && value % u->suffixes[i].factor == 0) {
			snprintf(out, CONFIG_WORDS, "%" PRId64 "%s", value / u->suffixes[i].factor,
			         u->suffixes[i].text);
			return;
		}
	}
	snprintf(out, CONFIG_WORDS, "%" PRId64, value);
}

void config_value_expected(char out[static CONFIG_WORDS], enum config_unit unit, int64_t min,
                           int64_t max)
{
	char low[CONFIG_WORDS], high[CONFIG_WORDS];
	const struct unit *u = &units[unit];

	config_value_print(low, unit, min);
	config_value_print(high, unit, max);
	if (max == INT64_MAX)
		snprintf(out, CONFIG_WORDS, "%s of at least %.24s%s", u->words, low, u->example);
	else
		snprintf(out, CONFIG_WORDS, "%s from %.24s to %.24s%s", u->words, low, high,
		         u->example);
}
