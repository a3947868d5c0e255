/*
 * Text to values and back, strictly: the whole string or nothing.  Nothing here logs; what was
 * expected is put into words for whoever does.  [any]
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_unit {
	CONFIG_COUNT,    /* "100" */
	CONFIG_DURATION, /* milliseconds: "500ms", "10s", "5m", "2h"; a bare number is seconds */
	CONFIG_SIZE      /* bytes: "64K", "4M", "1G"; a bare number is bytes */
};

/* 0 and *out, -EINVAL for anything else than such a value, -ERANGE outside min to max. */
int config_value_number(const char *text, enum config_unit unit, int64_t min, int64_t max,
                        int64_t *out);
/* yes, no, true, false, on, off, 1, 0 in any case; otherwise -EINVAL. */
int config_value_bool(const char *text, bool *out);
/* Whether it is 1 to CONFIG_NAME_MAX - 1 bytes of a-z, 0-9, _ and -. */
bool config_value_is_name(const char *text, size_t len);

/* Room for the words below, with NUL. */
#define CONFIG_WORDS 160
/* The value with the largest unit that it is a multiple of: "4M", "100ms". */
void config_value_print(char out[static CONFIG_WORDS], enum config_unit unit, int64_t value);
/* "a duration from 100ms to 5m, such as 10s". */
void config_value_expected(char out[static CONFIG_WORDS], enum config_unit unit, int64_t min,
                           int64_t max);

#endif
