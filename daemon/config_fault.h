/*
 * What is wrong with a configuration: one line of the log per fault, the first 20 of them.
 * [main]
 */
#ifndef CONFIG_FAULT_H
#define CONFIG_FAULT_H

#include <netbird-signal/plugin.h>

/* A zeroed one is ready to use. */
struct config_faults {
	unsigned n;
};

/* "WHERE: words".  `where` is "FILE:LINE", "FILE" or a flag or variable. */
void config_fault(struct config_faults *faults, const char *where, const char *fmt, ...)
    NBS_PRINTF(3, 4);
/* WHERE: [section] key: expected ..., got "...".  Without section and key for a flag (NULL). */
void config_fault_value(struct config_faults *faults, const char *where, const char *section,
                        const char *key, const char *expected, const char *got);
/* 0 without faults; otherwise -EINVAL, after a line that says how many were not shown. */
int config_fault_end(const struct config_faults *faults);

#endif
