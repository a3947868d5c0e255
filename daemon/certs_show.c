/* Certificates in a line of the log. */
#include "certs.h"

#include <stdio.h>
#include <time.h>

#define NAMES_SHOWN 8
#define EXPIRES_MAX 32

/* "a.example,*.b.example,+3", with NUL in at most `size` bytes. */
static void show_names(char *text, size_t size, struct certs_pair *const *pairs, size_t n_pairs)
{
	size_t at = 0, shown = 0, all = 0;

	text[0] = '\0';
	for (size_t i = 0; i < n_pairs; i++) {
		const struct certs_names *names = &pairs[i]->names;

		all += names->n;
		for (size_t k = 0; k < names->n && shown < NAMES_SHOWN; k++) {
			size_t room = size - at;
			int n =
			    snprintf(text + at, room, "%s%s", at > 0 ? "," : "", names->names[k]);

			if (n < 0 || (size_t)n >= room) {
				text[at] = '\0';
				break;
			}
			at += (size_t)n;
			shown++;
		}
	}
	if (all > shown)
		snprintf(text + at, size - at, ",+%zu", all - shown);
}

static void show_expiry(char text[static EXPIRES_MAX], struct certs_pair *const *pairs,
                        size_t n_pairs)
{
	time_t first = pairs[0]->expires;
	struct tm tm;

	for (size_t i = 1; i < n_pairs; i++)
		if (pairs[i]->expires < first)
			first = pairs[i]->expires;
	if (gmtime_r(&first, &tm) == NULL ||
	    strftime(text, EXPIRES_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(text, EXPIRES_MAX, "?");
}

void certs_show(char text[static CERTS_SHOWN], struct certs_pair *const *pairs, size_t n_pairs)
{
	char names[CERTS_SHOWN - EXPIRES_MAX - sizeof("names= expires=")], expires[EXPIRES_MAX];

	show_names(names, sizeof(names), pairs, n_pairs);
	show_expiry(expires, pairs, n_pairs);
	snprintf(text, CERTS_SHOWN, "names=%s expires=%s", names, expires);
}
