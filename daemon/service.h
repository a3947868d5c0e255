/*
 * Connection services: which plugin takes connections of which protocol, and the state that a
 * service of the open() form keeps for each I/O thread.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <netbird-signal/plugin.h>

struct service;
struct services;

int services_open(struct services **out);
void services_close(struct services *all);

/* [main] in init().  -EINVAL: no protocol, or not exactly one form; -EEXIST: the plugin serves
 * this protocol already; -ENOMEM. */
int services_register(struct services *all, const char *plugin, const struct nbs_service *s,
                      void *arg);
/* [main] The service of `plugin`, or with "" the first one, for a protocol; NULL if none. */
struct service *services_find(struct services *all, const char *protocol, const char *plugin);

const char *service_plugin(const struct service *s);
/* [any] Whether it wants sockets. */
int service_adopts(const struct service *s);
/* [any] nbs_service.adopt */
int service_adopt(struct service *s, int fd, struct nbs_conn *conn);
/* [any] The service did not take a connection; one line at a bounded rate. */
void service_log_refusal(const struct service *s, int err);
/* [conn] nbs_service.open, after thread_begin() where it is due. */
int service_open(struct service *s, unsigned thread, struct nbs_conn *conn,
                 const struct nbs_conn_ops **ops, void **cookie);
/* [its thread] thread_end() of every service that has a state for the thread. */
void services_leave_thread(struct services *all, unsigned thread);

#endif
