/*
 * What must hold between the values of a configuration, each of which is right alone.  [main]
 */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

struct config;
struct config_faults;
struct config_ini;

/* `ini` is only for the origin of values. */
void config_check(const struct config *cfg, const struct config_ini *ini,
                  struct config_faults *faults);

#endif
