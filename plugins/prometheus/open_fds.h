/* How many descriptors the process has open. */
#ifndef OPEN_FDS_H
#define OPEN_FDS_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * From Linux 6.2 on the kernel says it.  Before, the directory has to be read, which takes 0.8
 * microseconds for each descriptor; the result is then kept for a hundred times as long as that
 * took, so that nobody can make the server do little else.
 */
struct open_fds {
	_Atomic long count;
	_Atomic uint64_t until; /* CLOCK_MONOTONIC, ns: as long as `count` is good */
};

/* [any]  A negative errno if there is no /proc. */
long open_fds_count(struct open_fds *o);

/* [any]  The parts of it, for tests: what the kernel says, -ENOTSUP if it does not; the directory
 * read now; and that with its result kept. */
long open_fds_ask(void);
long open_fds_list(void);
long open_fds_keep(struct open_fds *o);

#endif
