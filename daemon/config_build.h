/*
 * A configuration on the way.  The functions return 0 or -ENOMEM; what is wrong with the
 * file or an option is a fault.  [main]
 */
#ifndef CONFIG_BUILD_H
#define CONFIG_BUILD_H

#include "config.h"
#include "config_fault.h"
#include "config_ini.h"
#include "config_key.h"

struct config_build {
	struct config *cfg;
	struct config_ini ini;
	struct config_faults faults;
};

/* The defaults of the keys of that section; `base` is the struct that holds their values. */
void config_build_defaults(enum config_section_kind section, void *base);
/* One value.  `section` is NULL for a flag or variable. */
int config_build_value(struct config_build *b, const struct config_key *key, void *base,
                       const char *section, const struct config_entry *entry);
/* All sections of the file, and the listener and plugins that are there without one.  There is
 * room for one listener more, with config_build_listener(). */
int config_build_sections(struct config_build *b);
struct config_listener *config_build_listener(struct config *cfg, const char *name);
/* When [tls] has its last value: its pair becomes the first, and those that name no file go. */
void config_build_pairs(struct config *cfg);

#endif
