/* The bounded queue: the newest message is worth more than the oldest. */
#include "mailbox.h"

#include "message.h"

#include <errno.h>
#include <stdbool.h>

static bool budget_take(struct mailbox_budget *budget, size_t cost)
{
	size_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
	size_t max = atomic_load_explicit(&budget->max, memory_order_relaxed);

	do {
		if (cost > max || used > max - cost)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
	    &budget->used, &used, used + cost, memory_order_relaxed, memory_order_relaxed));
	atomic_fetch_add_explicit(&budget->messages, 1, memory_order_relaxed);
	return true;
}

static void budget_give_back(struct mailbox_budget *budget, size_t cost)
{
	atomic_fetch_sub_explicit(&budget->used, cost, memory_order_relaxed);
	atomic_fetch_sub_explicit(&budget->messages, 1, memory_order_relaxed);
}

struct message *mailbox_pop(struct mailbox *box, struct mailbox_budget *budget)
{
	struct message *msg = box->oldest;

	if (msg == NULL)
		return NULL;
	box->oldest = msg->next;
	if (box->oldest == NULL)
		box->newest = NULL;
	msg->next = NULL;
	box->count--;
	box->bytes -= message_cost(msg);
	budget_give_back(budget, message_cost(msg));
	return msg;
}

static void drop_oldest(struct mailbox *box, struct mailbox_budget *budget,
                        struct mailbox_dropped *dropped)
{
	struct message *msg = mailbox_pop(box, budget);

	if (dropped->last != NULL)
		dropped->last->next = msg;
	else
		dropped->first = msg;
	dropped->last = msg;
}

static bool over_bounds(const struct mailbox *box, const struct mailbox_bounds *bounds, size_t cost)
{
	return box->count >= bounds->messages || cost > bounds->bytes ||
	       box->bytes > bounds->bytes - cost;
}

int mailbox_push(struct mailbox *box, const struct mailbox_bounds *bounds,
                 struct mailbox_budget *budget, struct message *msg,
                 struct mailbox_dropped *dropped)
{
	size_t cost = message_cost(msg);

	while (box->count > 0 && over_bounds(box, bounds, cost)) {
		drop_oldest(box, budget, dropped);
		dropped->overflow++;
	}
	while (!budget_take(budget, cost)) {
		if (box->count == 0)
			return -ENOBUFS;
		drop_oldest(box, budget, dropped);
		dropped->budget++;
	}
	msg->next = NULL;
	if (box->newest != NULL)
		box->newest->next = msg;
	else
		box->oldest = msg;
	box->newest = msg;
	box->count++;
	box->bytes += cost;
	return 0;
}

void mailbox_move(struct mailbox *to, struct mailbox *from)
{
	if (from->oldest == NULL)
		return;
	if (to->newest != NULL)
		to->newest->next = from->oldest;
	else
		to->oldest = from->oldest;
	to->newest = from->newest;
	to->count += from->count;
	to->bytes += from->bytes;
	*from = (struct mailbox){0};
}

unsigned mailbox_free_dropped(struct mailbox_dropped *dropped)
{
	struct message *msg;
	unsigned n = 0;

	while ((msg = dropped->first) != NULL) {
		dropped->first = msg->next;
		message_unref(msg);
		n++;
	}
	dropped->last = NULL;
	return n;
}
