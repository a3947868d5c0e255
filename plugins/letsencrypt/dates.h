/* Times as servers write them.  All of the text or nothing: -EINVAL. */
#ifndef LETSENCRYPT_DATES_H
#define LETSENCRYPT_DATES_H

#include <stdint.h>
#include <time.h>

/* RFC 9110, 5.6.7, all three forms: "Sun, 06 Nov 1994 08:49:37 GMT". */
int dates_http(const char *text, time_t *out);
/* RFC 3339: "2025-01-02T04:00:00Z", with fractions and offsets. */
int dates_rfc3339(const char *text, time_t *out);
/* Retry-After (RFC 9110, 10.2.3): seconds or a date, counted from `now`, at most `max`. */
int dates_retry_after(const char *text, time_t now, uint64_t max, uint64_t *seconds);

#endif
