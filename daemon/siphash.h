/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash, so that nobody outside can aim ids
 * or addresses at one bucket of a table.
 */
#ifndef SIPHASH_H
#define SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k0, k1;
};

/* A random key, or a negative errno. */
int siphash_new_key(struct siphash_key *key);
uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t len);

#endif
