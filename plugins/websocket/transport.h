/*
 * The whole state of the WebSocket plugin, made by init() and freed by destroy().
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include "config.h"
#include "endings.h"
#include "metrics.h"
#include "receive.h"
#include "sockets.h"

struct transport {
	struct nbs_host *host;
	struct config config;
	struct metrics metrics;
	struct receive receive;
	struct sockets sockets;
	int64_t note_at[ENDINGS]; /* note.c, of the WebSockets' thread */
};

#endif
