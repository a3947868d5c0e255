/*
 * The strict pass over the text of an INI file.  [main]
 */
#ifndef CONFIG_SCAN_H
#define CONFIG_SCAN_H

#include <stddef.h>

struct config_faults;
struct config_ini;
struct config_store;

/*
 * Fills the sections and the keys and origins of their entries; values are left NULL.  Each line
 * that is wrong is a fault.  On return the text holds, on their old lines, only the headers and
 * entries that iniparser reads as they are meant; *len is its new length.  0, -EFBIG (a fault
 * as well) or -ENOMEM.
 */
int config_scan(struct config_ini *ini, const char *file, char *text, size_t *len,
                struct config_store *store, struct config_faults *faults);

#endif
