/*
 * The header of the PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt of
 * 2020-03-05), pure: bytes in, addresses out.
 */
#ifndef PROXY_HEADER_H
#define PROXY_HEADER_H

#include <stddef.h>
#include <sys/socket.h>

/* The longest header that is taken; version 2 with more TLVs than that is refused. */
#define PROXY_HEADER_MAX 2048

struct proxy_header {
	size_t len; /* of the header, bytes */
	struct sockaddr_storage
	    source; /* AF_UNSPEC: the proxy speaks for itself (LOCAL, UNKNOWN) */
	struct sockaddr_storage destination;
};

/* 0: a header, complete.  -EAGAIN: the bytes are the beginning of one.  -EPROTO: they are not. */
int proxy_header_parse(const void *bytes, size_t n, struct proxy_header *out);

#endif
