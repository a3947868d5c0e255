/*
 * The C core server: its queues, the sockets it is given, and its end.
 */
#ifndef SERVER_H
#define SERVER_H

struct nbs_conn;
struct server;
struct transport;

/* [main] Initialises C core, and runs.  -ENOMEM, or what pthread_create() said. */
int server_start(struct server **out, struct transport *t);

/* [any] Takes a connected socket; -ENOMEM.  Not beside server_stop(). */
int server_adopt(struct server *s, int fd, struct nbs_conn *conn);

/*
 * [main] Says GOAWAY, lets the calls in flight end for at most grace_ms, then ends them, joins
 * the threads and frees the server.  -ETIMEDOUT: C core did not come to an end; threads and
 * server are left as they are.
 */
int server_stop(struct server *s, unsigned grace_ms);

#endif
