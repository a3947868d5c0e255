/*
 * The strings of one configuration, freed together, and where each value of its table came
 * from.  [main]
 */
#ifndef CONFIG_STORE_H
#define CONFIG_STORE_H

#include "config_key.h"

#include <netbird-signal/plugin.h>

struct config_store {
	struct config_string *strings;
	/* By config_key_index(): "FILE:LINE", a flag or variable, or NULL for the default. */
	const char *where[CONFIG_KEYS_MAX];
};

/* A new string that lives as long as the store, or NULL when out of memory. */
char *config_store_print(struct config_store *store, const char *fmt, ...) NBS_PRINTF(2, 3);
char *config_store_copy(struct config_store *store, const char *text, size_t len);
/* Frees the strings, not the store itself. */
void config_store_clear(struct config_store *store);

#endif
