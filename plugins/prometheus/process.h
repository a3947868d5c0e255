/* process_*, as the client libraries of Prometheus name them. */
#ifndef PROCESS_H
#define PROCESS_H

#include "open_fds.h"

struct render;

struct process {
	double started; /* seconds since 1970 */
	struct open_fds fds;
};

/* [main]  Finds out when the process began.  0, or a negative errno: there is no /proc as it
 * should be; what comes from it is then left out. */
int process_open(struct process *p);

/* [any]  All of them, without a prefix. */
void process_render(struct process *p, struct render *r);

#endif
