/* Shortest decimal forms.  The daemon never leaves the C locale. */
#include "number.h"

#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 40

/* Up to here every whole number is a double. */
#define WHOLE_MAX 9007199254740992.0

static int special(struct text *t, double value)
{
	if (isfinite(value))
		return 0;
	text_str(t, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
	return 1;
}

/* The digits after the first that are needed, and the exponent.  15 digits always survive, so zeros
 * at their end can go; a double needs at most 17. */
static int digits_needed(double value, int *exponent)
{
	char form[NUMBER_MAX];
	int n = 13;

	do
		snprintf(form, sizeof(form), "%.*e", ++n, value);
	while (n < 16 && strtod(form, NULL) != value);
	*exponent = atoi(strchr(form, 'e') + 1);
	for (const char *last = strchr(form, 'e') - 1; n > 0 && *last == '0'; last--)
		n--;
	return n;
}

/* With an exponent below 1e-4, and from 10 to the power of `fixed` on. */
static void shortest(char out[static NUMBER_MAX], double value, int fixed)
{
	int exponent, digits = digits_needed(value, &exponent);

	if (exponent < -4 || exponent >= fixed)
		snprintf(out, NUMBER_MAX, "%.*e", digits, value);
	else
		snprintf(out, NUMBER_MAX, "%.*f", digits > exponent ? digits - exponent : 0, value);
}

void number_value(struct text *t, double value)
{
	char form[NUMBER_MAX];

	if (special(t, value))
		return;
	if (fabs(value) <= WHOLE_MAX && (double)(long long)value == value)
		snprintf(form, sizeof(form), "%lld", (long long)value); /* nearly all of them */
	else
		shortest(form, value, 21);
	text_str(t, form);
}

void number_bound(struct text *t, double bound, int point)
{
	char form[NUMBER_MAX];

	if (special(t, bound))
		return;
	if (fabs(bound) < 1e6 && (double)(long)bound == bound)
		snprintf(form, sizeof(form), "%ld", (long)bound); /* nearly all of them */
	else
		shortest(form, bound, 6); /* as Go's form "g" */
	text_str(t, form);
	if (point && strpbrk(form, ".e") == NULL)
		text_str(t, ".0");
}
