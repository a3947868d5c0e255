/*
 * C core as a library of this process: its beginning, its log, and its end.
 */
#ifndef LIBRARY_H
#define LIBRARY_H

struct nbs_host;

/* [main] Sends C core's own log to the daemon's, and initialises C core. */
void library_open(struct nbs_host *host);

/* [main] After the last object of C core was destroyed.  C core may go on ending its own threads
 * for some seconds, but nothing of the host is called from the return on. */
void library_close(void);

#endif
