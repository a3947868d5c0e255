/* One listening socket and its options. */
#ifndef LISTEN_SOCKET_H
#define LISTEN_SOCKET_H

struct config_address;

/* [main] A bound, listening, non-blocking, close-on-exec socket, or a negative errno.  "*" is IPv6
 * with IPv4, or IPv4 alone on a machine without IPv6. */
int listen_socket_open(const struct config_address *address);

#endif
