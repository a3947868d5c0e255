/*
 * Text to numbers, durations, sizes, booleans and names; and what is said when it is none.
 */
#include "config.h"
#include "config_value.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static int64_t value_of(const char *text, enum config_unit unit)
{
	int64_t value = -77;

	cr_expect_eq(config_value_number(text, unit, INT64_MIN, INT64_MAX, &value), 0, "%s", text);
	return value;
}

static void refuse(const char *text, enum config_unit unit)
{
	int64_t value = -77;

	cr_expect_lt(config_value_number(text, unit, INT64_MIN, INT64_MAX, &value), 0, "%s", text);
	cr_expect_eq(value, -77);
}

Test(config_value, counts)
{
	cr_expect_eq(value_of("0", CONFIG_COUNT), 0);
	cr_expect_eq(value_of("-5", CONFIG_COUNT), -5);
	cr_expect_eq(value_of("010", CONFIG_COUNT), 10);
	cr_expect_eq(value_of("9223372036854775807", CONFIG_COUNT), INT64_MAX);
	refuse("9223372036854775808", CONFIG_COUNT);
	refuse("99999999999999999999999999999999", CONFIG_COUNT);
}

Test(config_value, what_is_no_number)
{
	static const char *const bad[] = {"",    "-",   "+1",  " 1",  "1 ", "1.0", "1,000",   "0x1",
	                                  "1e3", "one", "--1", "1s1", "s",  "1K2", "\xc2\xb2"};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refuse(bad[i], CONFIG_COUNT);
		refuse(bad[i], CONFIG_DURATION);
		refuse(bad[i], CONFIG_SIZE);
	}
	refuse("1s", CONFIG_COUNT);
	refuse("1K", CONFIG_COUNT);
	refuse("1s", CONFIG_SIZE);
	refuse("1K", CONFIG_DURATION);
	refuse("5M", CONFIG_DURATION);
	refuse("1h30m", CONFIG_DURATION);
	refuse("1T", CONFIG_SIZE);
	refuse("1KiB", CONFIG_SIZE);
}

Test(config_value, durations)
{
	cr_expect_eq(value_of("7", CONFIG_DURATION), 7000);
	cr_expect_eq(value_of("500ms", CONFIG_DURATION), 500);
	cr_expect_eq(value_of("10s", CONFIG_DURATION), 10000);
	cr_expect_eq(value_of("5m", CONFIG_DURATION), 300000);
	cr_expect_eq(value_of("2h", CONFIG_DURATION), 7200000);
	cr_expect_eq(value_of("9223372036854775", CONFIG_DURATION), INT64_C(9223372036854775000));
	refuse("9223372036854776", CONFIG_DURATION);
	refuse("9223372036854775807h", CONFIG_DURATION);
}

Test(config_value, sizes)
{
	cr_expect_eq(value_of("100", CONFIG_SIZE), 100);
	cr_expect_eq(value_of("64K", CONFIG_SIZE), 65536);
	cr_expect_eq(value_of("64k", CONFIG_SIZE), 65536);
	cr_expect_eq(value_of("4M", CONFIG_SIZE), 4 << 20);
	cr_expect_eq(value_of("3G", CONFIG_SIZE), INT64_C(3) << 30);
	refuse("9223372036854775807K", CONFIG_SIZE);
}

Test(config_value, ranges_include_their_ends)
{
	int64_t value;

	cr_expect_eq(config_value_number("1", CONFIG_COUNT, 1, 3, &value), 0);
	cr_expect_eq(config_value_number("3", CONFIG_COUNT, 1, 3, &value), 0);
	cr_expect_eq(config_value_number("0", CONFIG_COUNT, 1, 3, &value), -ERANGE);
	cr_expect_eq(config_value_number("4", CONFIG_COUNT, 1, 3, &value), -ERANGE);
	cr_expect_eq(config_value_number("x", CONFIG_COUNT, 1, 3, &value), -EINVAL);
}

Test(config_value, booleans)
{
	static const char *const yes[] = {"yes", "true", "on", "1", "YES", "True"};
	static const char *const no[] = {"no", "false", "off", "0", "No", "OFF"};
	static const char *const bad[] = {"", "2", "y", "n", "enabled", "yes ", "oui"};
	bool value;
	size_t i;

	for (i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		cr_expect(config_value_bool(yes[i], &value) == 0 && value, "%s", yes[i]);
	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		cr_expect(config_value_bool(no[i], &value) == 0 && !value, "%s", no[i]);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(config_value_bool(bad[i], &value), -EINVAL, "%s", bad[i]);
}

Test(config_value, names)
{
	cr_expect(config_value_is_name("a", 1));
	cr_expect(config_value_is_name("my_plugin-2", 11));
	cr_expect_not(config_value_is_name("", 0));
	cr_expect_not(config_value_is_name("A", 1));
	cr_expect_not(config_value_is_name("a/b", 3));
	cr_expect_not(config_value_is_name("..", 2));
	cr_expect(config_value_is_name("abcdefghijklmnopqrstuvwxyz01234", CONFIG_NAME_MAX - 1));
	cr_expect_not(config_value_is_name("abcdefghijklmnopqrstuvwxyz012345", CONFIG_NAME_MAX));
}

static void expect_print(enum config_unit unit, int64_t value, const char *text)
{
	char out[CONFIG_WORDS];
	int64_t again;

	config_value_print(out, unit, value);
	cr_expect_str_eq(out, text);
	cr_expect_eq(config_value_number(out, unit, INT64_MIN, INT64_MAX, &again), 0);
	cr_expect_eq(again, value);
}

Test(config_value, what_is_printed_can_be_read)
{
	expect_print(CONFIG_COUNT, 0, "0");
	expect_print(CONFIG_COUNT, -12, "-12");
	expect_print(CONFIG_DURATION, 0, "0");
	expect_print(CONFIG_DURATION, 10000, "10s");
	expect_print(CONFIG_DURATION, 1500, "1500ms");
	expect_print(CONFIG_DURATION, 60000, "1m");
	expect_print(CONFIG_DURATION, 7200000, "2h");
	expect_print(CONFIG_SIZE, 4 << 20, "4M");
	expect_print(CONFIG_SIZE, 1000, "1000");
	expect_print(CONFIG_SIZE, INT64_C(1) << 40, "1024G");
}

Test(config_value, what_was_expected)
{
	char out[CONFIG_WORDS];

	config_value_expected(out, CONFIG_COUNT, 1, 5);
	cr_expect_str_eq(out, "a number from 1 to 5");
	config_value_expected(out, CONFIG_DURATION, 100, 300000);
	cr_expect_str_eq(out, "a duration from 100ms to 5m, such as 10s or 500ms");
	config_value_expected(out, CONFIG_SIZE, 0, INT64_MAX);
	cr_expect_str_eq(out, "a size of at least 0, such as 64K or 4M");
	config_value_expected(out, CONFIG_SIZE, INT64_MIN, INT64_MAX - 1);
	cr_expect_lt(strlen(out), sizeof(out));
}
