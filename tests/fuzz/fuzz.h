/*
 * What every fuzz target has: one function that libFuzzer calls with bytes, and that replay.c
 * calls with each file of a corpus, and assertions that end the process in every build.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* The name is libFuzzer's.  Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define FUZZ_ASSERT(what)                                     \
	do {                                                  \
		if (!(what))                                  \
			fuzz_fail(__FILE__, __LINE__, #what); \
	} while (0)

_Noreturn void fuzz_fail(const char *file, int line, const char *what);

/* The first n bytes (up to FUZZ_MAX) at the very end of one allocation, so that a sanitizer sees
 * each read beyond them.  Good until the next call. */
#define FUZZ_MAX 4096
const uint8_t *fuzz_exactly(const uint8_t *bytes, size_t n);

#endif
