/*
 * Faults of a configuration, in words for whoever wrote it.
 */
#include "config_fault.h"
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define SHOWN_MAX 20

void config_fault(struct config_faults *faults, const char *where, const char *fmt, ...)
{
	char words[LOG_LINE_MAX];
	va_list ap;

	if (faults->n++ >= SHOWN_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	log_error("config", "%s: %s", where, words);
}

void config_fault_value(struct config_faults *faults, const char *where, const char *section,
                        const char *key, const char *expected, const char *got)
{
	/* A value may be as long as a line; what is wrong with it shows in its beginning. */
	if (section)
		config_fault(faults, where, "[%s] %s: expected %s, got \"%.100s\"", section, key,
		             expected, got);
	else
		config_fault(faults, where, "expected %s, got \"%.100s\"", expected, got);
}

int config_fault_end(const struct config_faults *faults)
{
	if (faults->n > SHOWN_MAX)
		log_error("config", "%u more faults are not shown", faults->n - SHOWN_MAX);
	return faults->n > 0 ? -EINVAL : 0;
}
