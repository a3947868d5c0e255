/*
 * C core's own log goes to the daemon's: one log function for the process.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

struct nbs_host;

/* [main] Before grpc_init(), and after grpc_shutdown(). */
void core_log_open(struct nbs_host *host);
void core_log_close(void);

#endif
