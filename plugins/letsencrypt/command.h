/* "netbird-signal cert": what people ask this plugin. */
#ifndef LETSENCRYPT_COMMAND_H
#define LETSENCRYPT_COMMAND_H

#include "status.h"
#include "worker.h"

struct command {
	struct nbs_host *host;
	struct status_board *board;
	struct worker *worker; /* NULL: no domain is configured */
};

/* [main], in init().  KEPT until destroy(). */
int command_open(const struct command *c);

#endif
