/* A plugin's version may have any printable character; as a label two of them are escaped. */
#include "plugin_metrics.h"

#include "metrics.h"

#include <stdio.h>

/* plugin_file.c takes no longer ones, and printable words only. */
#define VERSION_MAX 64

static void escape(char out[static 2 * VERSION_MAX], const char *text)
{
	size_t at = 0;

	for (; *text != '\0' && at < 2 * VERSION_MAX - 2; text++) {
		if (*text == '"' || *text == '\\')
			out[at++] = '\\';
		out[at++] = *text;
	}
	out[at] = '\0';
}

static int add(struct metrics *metrics, const char *metric, const char *help, const char *labels,
               struct nbs_metric **out)
{
	const struct nbs_metric_desc desc = {.size = sizeof(desc),
	                                     .kind = NBS_GAUGE,
	                                     .name = metric,
	                                     .help = help,
	                                     .labels = labels};

	return metrics_register(metrics, &desc, out);
}

int plugin_metrics_register(struct metrics *metrics, const char *name, const char *version,
                            struct nbs_metric **running)
{
	char escaped[2 * VERSION_MAX], labels[2 * VERSION_MAX + 64];
	struct nbs_metric *info;
	int r;

	escape(escaped, version);
	snprintf(labels, sizeof(labels), "plugin=\"%s\",version=\"%s\"", name, escaped);
	if ((r = add(metrics, "plugin_info", "Always 1, for each plugin that is loaded.", labels,
	             &info)) < 0)
		return r;
	metrics_record(info, 1);
	snprintf(labels, sizeof(labels), "plugin=\"%s\"", name);
	return add(metrics, "plugin_running", "1 while a plugin runs, 0 before and afterwards.",
	           labels, running);
}
