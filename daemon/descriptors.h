/* File descriptors: how many the configuration needs, and how many the process gets. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

/* What one connection takes: its socket, and the duplicate that watches it once the socket belongs
 * to a service that adopts sockets.  One of the open() form takes one. */
#define DESCRIPTORS_PER_CONNECTION 2

/* What it takes besides for TLS or a tunnel: a socket pair.  A tunnel inside TLS takes two. */
#define DESCRIPTORS_PER_PAIR 2

/* Of a connection that has both. */
#define DESCRIPTORS_PER_CONNECTION_AT_MOST (DESCRIPTORS_PER_CONNECTION + 2 * DESCRIPTORS_PER_PAIR)

/*
 * [main] Raises RLIMIT_NOFILE as far as max_connections may need it and the hard limit allows.
 * `threads` are the I/O threads, which need some too, and so do the threads of transports that
 * follow their number.  Returns what is left for connections; `total` is the limit now.
 */
unsigned descriptors_fit(unsigned max_connections, unsigned threads, unsigned *total);

#endif
