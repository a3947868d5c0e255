/* base64url, strictly. */
#include "base64url.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_encode(char *text, const void *bytes, size_t len)
{
	const unsigned char *in = bytes;
	uint32_t held = 0;
	unsigned bits = 0;
	char *out = text;

	for (size_t i = 0; i < len; i++) {
		held = held << 8 | in[i];
		for (bits += 8; bits >= 6; bits -= 6)
			*out++ = alphabet[held >> (bits - 6) & 63];
	}
	if (bits > 0)
		*out++ = alphabet[held << (6 - bits) & 63];
	*out = '\0';
	return (size_t)(out - text);
}

char *base64url_dup(const void *bytes, size_t len)
{
	char *text = malloc(BASE64URL_SIZE(len));

	if (text != NULL)
		base64url_encode(text, bytes, len);
	return text;
}

static int value_of(char c)
{
	const char *at = c == '\0' ? NULL : strchr(alphabet, c);

	return at == NULL ? -1 : (int)(at - alphabet);
}

int base64url_decode(void *bytes, size_t size, const char *text, size_t *len)
{
	unsigned char *out = bytes;
	uint32_t held = 0;
	unsigned bits = 0;
	size_t n = 0;

	for (; *text != '\0'; text++) {
		int value = value_of(*text);

		if (value < 0)
			return -EINVAL;
		held = held << 6 | (unsigned)value;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		if (n == size)
			return -ENOSPC;
		out[n++] = (unsigned char)(held >> bits);
	}
	/* A lone character is no byte; what is left of the last must be zeros. */
	if (bits >= 6 || (held & ((1u << bits) - 1)) != 0)
		return -EINVAL;
	*len = n;
	return 0;
}

bool base64url_is(const char *text, size_t max)
{
	size_t len = strnlen(text, max + 1);

	return len > 0 && len <= max && strspn(text, alphabet) == len;
}
