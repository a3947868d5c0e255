/* The channel arguments that every connection gets, and why. */
#include "arguments.h"

#include "config.h"

#include <netbird-signal/plugin.h>

#include <limits.h>
#include <stdlib.h>

/* An idle connection keeps what is left of its last read buffer.  It grows with the traffic: the
 * upper bound limits what one read may bring at once (thousands of streams of a flood) and what a
 * connection keeps after large messages.  C core heeds the three only without its experiment
 * tcp_read_chunks, which is on by default, keeps 8 KiB, and knows no upper bound. */
#define READ_CHUNK 1024
#define READ_CHUNK_MIN 512
#define READ_CHUNK_MAX 32768
#define EXPERIMENTS "-tcp_read_chunks"

/* What C core accounts for a connection with one idle stream is below this. */
#define MEMORY_BASE (256 * INT64_C(1048576))
#define MEMORY_PER_CONNECTION 32768

void arguments_environment(void)
{
	setenv("GRPC_EXPERIMENTS", EXPERIMENTS, 0);
}

int64_t arguments_memory_limit(const struct config *conf, const struct nbs_limits *limits)
{
	if (conf->memory_limit != 0)
		return conf->memory_limit;
	return MEMORY_BASE + (int64_t)limits->max_connections * MEMORY_PER_CONNECTION;
}

static grpc_arg number(const char *key, int64_t value)
{
	grpc_arg arg = {.type = GRPC_ARG_INTEGER, .key = (char *)key};

	arg.value.integer = value > INT_MAX ? INT_MAX : (int)value;
	return arg;
}

static grpc_arg quota_arg(grpc_resource_quota *quota)
{
	grpc_arg arg = {.type = GRPC_ARG_POINTER, .key = (char *)GRPC_ARG_RESOURCE_QUOTA};

	arg.value.pointer.p = quota;
	arg.value.pointer.vtable = grpc_resource_quota_arg_vtable();
	return arg;
}

grpc_server *arguments_server(const struct config *conf, const struct nbs_limits *limits)
{
	grpc_resource_quota *quota = grpc_resource_quota_create("netbird-signal");
	grpc_server *server;
	grpc_arg args[] = {
	    quota_arg(quota),
	    /* Limits of one connection. */
	    number(GRPC_ARG_MAX_CONCURRENT_STREAMS, conf->max_concurrent_streams),
	    number(GRPC_ARG_MAX_METADATA_SIZE, conf->max_metadata_size),
	    number(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int64_t)limits->max_message),
	    number(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1),
	    number(GRPC_ARG_TCP_READ_CHUNK_SIZE, READ_CHUNK),
	    number(GRPC_ARG_TCP_MIN_READ_CHUNK_SIZE, READ_CHUNK_MIN),
	    number(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, READ_CHUNK_MAX),
	    /* Find clients that vanished, also those without a call. */
	    number(GRPC_ARG_KEEPALIVE_TIME_MS, conf->keepalive_time),
	    number(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, conf->keepalive_timeout),
	    number(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
	    number(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
	    /* Clients ping as often as they like, for ever. */
	    number(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 0),
	    number(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0),
	    /* A compressed message is UNIMPLEMENTED: C core would unpack four megabytes of it to
	     * gigabytes before it looks at their size. */
	    number(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE),
	    number(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0),
	    number(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
	    /* Nobody reads channelz; window tuning by probes serves bulk transfers; a deadline is
	     * the client's to keep. */
	    number(GRPC_ARG_ENABLE_CHANNELZ, 0),
	    number(GRPC_ARG_HTTP2_BDP_PROBE, 0),
	    number(GRPC_ARG_ENABLE_DEADLINE_CHECKS, 0),
	};
	grpc_channel_args channel_args = {sizeof(args) / sizeof(args[0]), args};

	grpc_resource_quota_resize(quota, (size_t)arguments_memory_limit(conf, limits));
	server = grpc_server_create(&channel_args, NULL);
	grpc_resource_quota_unref(quota);
	return server;
}
