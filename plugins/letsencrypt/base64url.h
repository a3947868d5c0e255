/* base64url (RFC 4648, 5), as JWS writes it: without padding. */
#ifndef LETSENCRYPT_BASE64URL_H
#define LETSENCRYPT_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>

/* Room for the text of n bytes with NUL. */
#define BASE64URL_SIZE(n) (((n)*4 + 2) / 3 + 1)

/* `text` has BASE64URL_SIZE(len); the length of the text. */
size_t base64url_encode(char *text, const void *bytes, size_t len);
/* To be freed; NULL: no memory. */
char *base64url_dup(const void *bytes, size_t len);

/* All of the text or nothing.  -EINVAL: another character, padding, bits that stand for nothing.
 * -ENOSPC: more than `size` bytes. */
int base64url_decode(void *bytes, size_t size, const char *text, size_t *len);

/* Whether a text has 1 to `max` characters, all of this alphabet. */
bool base64url_is(const char *text, size_t max);

#endif
