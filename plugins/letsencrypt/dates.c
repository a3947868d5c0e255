/* Dates of HTTP and of JSON, by templates: strptime() knows locales and takes more than is right.
 */
#include "dates.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What templates consist of: D, N, Y, h, m, s are a digit each of day, month, year, hour, minute
 * and second, b is a month's name, _ a space that stands for a digit, all else is itself. */
struct fields {
	int day, month, year, hour, minute, second;
};

static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static int *field_of(struct fields *f, char c)
{
	switch (c) {
	case 'D':
		return &f->day;
	case 'N':
		return &f->month;
	case 'Y':
		return &f->year;
	case 'h':
		return &f->hour;
	case 'm':
		return &f->minute;
	case 's':
		return &f->second;
	default:
		return NULL;
	}
}

static bool take_month(const char *text, int *month)
{
	for (int i = 0; i < 12; i++)
		if (strncmp(text, month_names[i], 3) == 0) {
			*month = i + 1;
			return true;
		}
	return false;
}

/* The text behind what the template matched, or NULL. */
static const char *match(const char *text, const char *template, struct fields *f)
{
	for (; *template != '\0'; template ++) {
		int *field = field_of(f, *template);

		if (*template == 'b') {
			if (!take_month(text, &f->month))
				return NULL;
			text += 3;
		} else if (field != NULL) {
			if (!isdigit((unsigned char)*text))
				return NULL;
			*field = *field * 10 + (*text++ - '0');
		} else if (*template == '_') {
			if (*text == ' ') {
				text++;
				template ++; /* and the digit's own place */
			}
		} else if (*text++ != *template) {
			return NULL;
		}
	}
	return text;
}

static int to_time(const struct fields *f, time_t *out)
{
	struct tm tm = {.tm_mday = f->day,
	                .tm_mon = f->month - 1,
	                .tm_year = f->year - 1900,
	                .tm_hour = f->hour,
	                .tm_min = f->minute,
	                .tm_sec = f->second};
	time_t t;

	if (f->month < 1 || f->month > 12 || f->hour > 23 || f->minute > 59 || f->second > 60)
		return -EINVAL;
	t = timegm(&tm);
	/* The 31st of June has become another day. */
	if (f->day < 1 || (f->second < 60 && (tm.tm_mday != f->day || tm.tm_mon != f->month - 1)))
		return -EINVAL;
	*out = t;
	return 0;
}

/* Behind the name of a day, which is not compared with the date; NULL if there is none. */
static const char *skip_day_name(const char *text, bool *is_long)
{
	static const char *const names[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
	                                    "Friday", "Saturday", "Sunday"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		size_t len = strlen(names[i]);

		if (strncmp(text, names[i], 3) != 0)
			continue;
		*is_long = strncmp(text, names[i], len) == 0;
		return text + (*is_long ? len : 3);
	}
	return NULL;
}

/* RFC 850's two digits: the year that is at most 50 years ahead. */
static void complete_year(struct fields *f)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	f->year += 2000;
	if (f->year > tm.tm_year + 1900 + 50)
		f->year -= 100;
}

int dates_http(const char *text, time_t *out)
{
	static const char imf[] = ", DD b YYYY hh:mm:ss GMT", rfc850[] = ", DD-b-YY hh:mm:ss GMT",
			  asctime_form[] = " b _DD hh:mm:ss YYYY";
	struct fields f = {0};
	bool is_long;
	const char *rest = skip_day_name(text, &is_long), *form;

	if (rest == NULL || (is_long && *rest == ' '))
		return -EINVAL;
	form = *rest == ' ' ? asctime_form : is_long ? rfc850 : imf;
	rest = match(rest, form, &f);
	if (rest == NULL || *rest != '\0')
		return -EINVAL;
	if (form == rfc850)
		complete_year(&f);
	return to_time(&f, out);
}

/* "Z" or "+02:00", in seconds east of UTC. */
static int parse_offset(const char *text, int *offset)
{
	struct fields f = {0};
	int sign = *text == '-' ? -1 : 1;

	*offset = 0;
	if (strcmp(text, "Z") == 0)
		return 0;
	if (*text != '+' && *text != '-')
		return -EINVAL;
	text = match(text + 1, "hh:mm", &f);
	if (text == NULL || *text != '\0' || f.hour > 23 || f.minute > 59)
		return -EINVAL;
	*offset = sign * (f.hour * 3600 + f.minute * 60);
	return 0;
}

int dates_rfc3339(const char *text, time_t *out)
{
	struct fields f = {0};
	const char *rest = match(text, "YYYY-NN-DDThh:mm:ss", &f);
	int offset;

	if (rest == NULL)
		return -EINVAL;
	if (*rest == '.') {
		size_t digits = strspn(rest + 1, "0123456789");

		if (digits == 0)
			return -EINVAL;
		rest += 1 + digits;
	}
	if (parse_offset(rest, &offset) < 0 || to_time(&f, out) < 0)
		return -EINVAL;
	*out -= offset;
	return 0;
}

int dates_retry_after(const char *text, time_t now, uint64_t max, uint64_t *seconds)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t n = 0;
	time_t when;

	if (digits > 0 && text[digits] == '\0') {
		for (; *text != '\0' && n <= max; text++)
			n = n * 10 + (uint64_t)(*text - '0');
	} else if (dates_http(text, &when) < 0) {
		return -EINVAL;
	} else {
		n = when > now ? (uint64_t)(when - now) : 0;
	}
	*seconds = n < max ? n : max;
	return 0;
}
