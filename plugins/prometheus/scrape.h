/* GET /metrics. */
#ifndef SCRAPE_H
#define SCRAPE_H

#include "negotiate.h"
#include "process.h"
#include "settings.h"

#include <netbird-signal/plugin.h>

#include <stdatomic.h>
#include <stdbool.h>

struct scrape {
	struct nbs_host *host;
	struct settings settings;
	struct process process;
	struct nbs_metric *served[FORMATS], *failed, *duration;
	_Atomic bool failing; /* the last scrape was answered with 500, and the log says so */
};

/* Its arg is the struct scrape. */
extern const struct nbs_route scrape_route;

/* [main]  The series about scrapes themselves. */
int scrape_metrics(struct scrape *s);

#endif
