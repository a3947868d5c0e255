/* Between listener_open.c and listener.c. */
#ifndef LISTENER_PRIVATE_H
#define LISTENER_PRIVATE_H

#include "config.h"
#include "conn.h"
#include "io.h"
#include "listener.h"

#include <pthread.h>
#include <stdbool.h>

struct listening {
	struct io_source source; /* first; fd -1: not bound, and if it is optional left so */
	struct listeners *all;
	const char *plugin; /* who brought it; "": the configuration */
	bool optional;
	struct config_address address;
	struct conn_origin origin;
};

struct listeners {
	struct io *io;
	struct conn_limits *limits;
	struct conns *conns;
	struct nbs_metric *paused_total;
	pthread_mutex_t lock;                        /* a leaf: pausing and resuming */
	bool accepting, public_paused, admin_paused; /* public: all but admin */
	bool retry; /* at the next tick: descriptors or memory were missing */
	size_t n;
	struct listening sockets[];
};

#endif
