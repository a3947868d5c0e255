/* Times as people read them. */
#ifndef LETSENCRYPT_WHEN_H
#define LETSENCRYPT_WHEN_H

#include <time.h>

/* "2026-11-23T01:35:05Z" */
#define WHEN_SIZE 32
const char *when_text(char out[static WHEN_SIZE], time_t t);
/* "in 29 days", "12 minutes ago"; the largest unit of which there are two, rounded down. */
const char *when_far(char out[static WHEN_SIZE], time_t t, time_t now);

#endif
