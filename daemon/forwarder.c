/* One message's way: parse, mailbox, else router, else absent; every outcome is counted. */
#include "forwarder.h"

#include "drops.h"
#include "log.h"
#include "message.h"
#include "metrics.h"
#include "registry.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct forwarder {
	struct registry *registry;
	struct drops *drops;
	size_t max_message;
	const struct nbs_router_ops *router;
	void *router_self;
	struct nbs_metric *size, *routed, *malformed, *too_large;
};

static int register_metrics(struct forwarder *f, struct metrics *metrics)
{
	static const double sizes[] = {100,   250,   500,    1000,   5000,
	                               10000, 50000, 100000, 500000, 1000000};
	static const char refused[] = "Messages that were refused, by reason.";
	const struct metrics_series table[] = {
	    {&f->size, NBS_HISTOGRAM, "message_size_bytes", "type=\"message\"",
	     "Size of the messages that arrived, in bytes.", sizes,
	     sizeof(sizes) / sizeof(sizes[0])},
	    {&f->routed, NBS_COUNTER, "messages_routed_total", NULL,
	     "Messages that a router plugin took for peers of other servers.", NULL, 0},
	    {&f->malformed, NBS_COUNTER, "messages_refused_total", "reason=\"malformed\"", refused,
	     NULL, 0},
	    {&f->too_large, NBS_COUNTER, "messages_refused_total", "reason=\"too_large\"", refused,
	     NULL, 0},
	    {0},
	};

	return metrics_register_table(metrics, table);
}

int forwarder_open(struct forwarder **out, struct registry *registry, struct drops *drops,
                   size_t max_message, struct metrics *metrics)
{
	struct forwarder *f = calloc(1, sizeof(*f));
	int r;

	if (f == NULL)
		return -ENOMEM;
	f->registry = registry;
	f->drops = drops;
	f->max_message = max_message;
	if ((r = register_metrics(f, metrics)) < 0) {
		free(f);
		return r;
	}
	*out = f;
	return 0;
}

void forwarder_close(struct forwarder *f)
{
	free(f);
}

int forwarder_set_router(struct forwarder *f, const struct nbs_router_ops *ops, void *self)
{
	if (f->router != NULL)
		return -EEXIST;
	f->router = ops;
	f->router_self = self;
	return 0;
}

/* NetBird's status command asks whether the server answers by sending to nobody of this name. */
static bool is_status_probe(const struct nbs_msg *msg)
{
	return msg->to_len == 5 && memcmp(msg->to, "dummy", 5) == 0;
}

static int absent(struct forwarder *f, struct message *msg, unsigned flags)
{
	char brief[LOG_ID_BRIEF];
	int r = -ENOENT;

	if (f->router != NULL && !(flags & NBS_LOCAL_ONLY))
		r = f->router->route(f->router_self, &msg->pub);
	if (r == 0) {
		metrics_count(f->routed);
		return 0;
	}
	if (!is_status_probe(&msg->pub))
		drops_count_absent(f->drops);
	if (log_enabled(NBS_DEBUG)) {
		log_id_brief(brief, msg->pub.to, msg->pub.to_len);
		log_debug("forwarder", "receiver is not connected peer=%s", brief);
	}
	return -ENOENT;
}

static int refused(struct forwarder *f, int r)
{
	if (r == -EBADMSG)
		metrics_count(f->malformed);
	else if (r == -EMSGSIZE)
		metrics_count(f->too_large);
	return r;
}

int forwarder_forward(struct forwarder *f, const struct iovec *wire, size_t n, unsigned flags)
{
	struct message *msg;
	int r;

	if ((r = message_new(&msg, wire, n, f->max_message)) < 0)
		return refused(f, r);
	metrics_record(f->size, (double)msg->pub.len);
	if ((r = registry_deliver(f->registry, msg)) == 0)
		return 0; /* the mailbox has it now */
	if (r == -ENOENT)
		r = absent(f, msg, flags);
	message_unref(msg);
	return r;
}
