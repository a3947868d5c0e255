/*
 * The forwarder: takes one serialized message from a transport and brings it to the receiver's
 * mailbox, or to a router plugin, or counts that nobody is there.
 */
#ifndef FORWARDER_H
#define FORWARDER_H

#include <netbird-signal/plugin.h>

struct drops;
struct forwarder;
struct metrics;
struct registry;

int forwarder_open(struct forwarder **out, struct registry *registry, struct drops *drops,
                   size_t max_message, struct metrics *metrics);
void forwarder_close(struct forwarder *f);
/* [main] before anything runs.  -EEXIST: there is a router already. */
int forwarder_set_router(struct forwarder *f, const struct nbs_router_ops *ops, void *self);
/* [any] nbs_host.forward */
int forwarder_forward(struct forwarder *f, const struct iovec *wire, size_t n, unsigned flags);

#endif
