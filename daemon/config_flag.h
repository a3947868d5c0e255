/*
 * Options of the command line that only plugins can use.  They stand for keys of plugins, which
 * the plugins name (nbs_host.conf_flag).  [main]
 */
#ifndef CONFIG_FLAG_H
#define CONFIG_FLAG_H

#include "config.h"

struct options;

/* Those that were given, by flag or variable. */
void config_flag_take(struct config_flags *flags, const struct options *opt);
/* "metrics-port"; NULL if it was not given. */
struct config_flag *config_flag_find(struct config_flags *flags, const char *option, size_t len);
/* After the plugins' init(): a line for each that no plugin asked for.  -EINVAL if without it the
 * daemon would be something else than what was wanted. */
int config_flag_unused(const struct config_flags *flags);

#endif
