/*
 * An INI file as sections and entries, in the order of the file.  A strict pass (config_scan.h)
 * comes first; only lines that it and iniparser understand in the same way reach iniparser,
 * which reads the values.  Which sections and keys there are is not known here.  [main]
 *
 *   [section] or [section name]     alone on its line
 *   key = value                     ends at white space followed by # or ;
 *   key = "value"                   or '...': may hold # and ; and spaces at its ends
 *   # or ; comment
 *
 * Names are of a-z, 0-9, _ and -.  A line has at most CONFIG_LINE_MAX bytes and cannot be
 * continued on the next one.
 */
#ifndef CONFIG_INI_H
#define CONFIG_INI_H

#include "config.h"

struct config_faults;
struct config_store;

#define CONFIG_LINE_MAX 1000          /* without its end; iniparser's own bound is 1022 */
#define CONFIG_FILE_MAX (1024 * 1024) /* bytes */
#define CONFIG_KEY_MAX 64             /* of a key or a word of a section's name, with NUL */
#define CONFIG_ENTRIES_MAX 4096       /* sections, and entries, of a file */

struct config_section {
	const char *text;  /* "listener signal" */
	const char *where; /* "FILE:LINE" */
	struct config_entry *entries;
	size_t n_entries;
};

struct config_ini {
	struct config_section *sections;
	size_t n_sections;
	size_t n_entries; /* of all sections */
};

/*
 * Strings go to the store.  0 even if lines of the file are wrong: they are left out and counted
 * in `faults`.  -ENOENT, -EACCES, -EINVAL, ... when there is nothing to read, which is a fault
 * as well.  -ENOMEM.  config_ini_free() is owed in any case.
 */
int config_ini_read(struct config_ini *ini, const char *file, struct config_store *store,
                    struct config_faults *faults);
void config_ini_free(struct config_ini *ini);

/* NULL when there is none. */
struct config_section *config_ini_section(const struct config_ini *ini, const char *text,
                                          size_t len);
struct config_entry *config_ini_entry(const struct config_section *section, const char *key,
                                      size_t len);
/* The strings are KEPT; if either is NULL, that counts as out of memory.  A new section moves
 * the others. */
struct config_section *config_ini_add_section(struct config_ini *ini, const char *text,
                                              const char *where);
/* 1 or -ENOMEM. */
int config_ini_add_entry(struct config_ini *ini, struct config_section *section, const char *key,
                         const char *where);

#endif
