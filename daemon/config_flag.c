/*
 * Which options are for plugins, and what becomes of those that none wants.
 */
#include "config_flag.h"
#include "config_fault.h"
#include "log.h"
#include "options.h"

#include <string.h>

static const struct known {
	const char *option;
	size_t offset; /* in struct options */
	bool needed;   /* who gives it must not get a daemon without it */
} known[] = {
    {"metrics-port", offsetof(struct options, metrics_port), false},
    {"letsencrypt-domain", offsetof(struct options, letsencrypt_domain), true},
    {"letsencrypt-email", offsetof(struct options, letsencrypt_email), false},
    {"ssl-dir", offsetof(struct options, ssl_dir), false},
};
#define N_KNOWN (sizeof(known) / sizeof(known[0]))
_Static_assert(N_KNOWN == CONFIG_FLAGS_MAX, "there is room for each, and no more");

void config_flag_take(struct config_flags *flags, const struct options *opt)
{
	size_t i;

	flags->n = 0;
	for (i = 0; i < N_KNOWN; i++) {
		const char *at = (const char *)opt + known[i].offset;
		const struct options_value *v = (const struct options_value *)at;

		if (v->value)
			flags->list[flags->n++] = (struct config_flag){
			    .option = known[i].option, .value = v->value, .origin = v->origin};
	}
}

struct config_flag *config_flag_find(struct config_flags *flags, const char *option, size_t len)
{
	size_t i;

	for (i = 0; i < flags->n; i++) {
		const char *name = flags->list[i].option;

		if (strlen(name) == len && strncmp(name, option, len) == 0)
			return &flags->list[i];
	}
	return NULL;
}

static bool is_needed(const char *option)
{
	size_t i;

	for (i = 0; i < N_KNOWN; i++) {
		if (strcmp(known[i].option, option) == 0)
			return known[i].needed;
	}
	return false;
}

int config_flag_unused(const struct config_flags *flags)
{
	struct config_faults faults = {0};
	const struct config_flag *f;

	for (f = flags->list; f < flags->list + flags->n; f++) {
		if (f->asked)
			continue;
		if (is_needed(f->option))
			config_fault(&faults, f->origin, "no loaded plugin uses it");
		else
			log_warn("config", "%s: no loaded plugin uses it", f->origin);
	}
	return config_fault_end(&faults);
}
