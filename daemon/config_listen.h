/*
 * [listener NAME] sections, and --port.  [main]
 */
#ifndef CONFIG_LISTEN_H
#define CONFIG_LISTEN_H

#include "config.h"

struct config_faults;

/* The listener of that name, or NULL. */
struct config_listener *config_listen_find(const struct config *cfg, const char *name);
/*
 * The addresses of a comma list, in place of those that the listener had.  `section` is NULL for
 * a flag.  0 or -ENOMEM; each that is wrong is a fault.
 */
int config_listen_set(struct config_listener *l, const char *section,
                      const struct config_entry *value, struct config_faults *faults);
/* The same for its trusted networks; an empty list is one. */
int config_listen_set_trusted(struct config_listener *l, const char *section,
                              const struct config_entry *value, struct config_faults *faults);

#endif
