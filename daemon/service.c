/* The list of connection services. */
#include "service.h"

#include "io.h"
#include "log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What one service keeps for one I/O thread; touched on that thread only. */
struct thread_state {
	bool begun;
	void *state;
};

struct service {
	struct service *next;
	const char *plugin;
	const struct nbs_service *ops;
	void *arg;
	struct thread_state threads[IO_INDEX_MAX];
};

struct services {
	struct service *first;
};

int services_open(struct services **out)
{
	*out = calloc(1, sizeof(**out));
	return *out != NULL ? 0 : -ENOMEM;
}

void services_close(struct services *all)
{
	struct service *s, *next;

	if (all == NULL)
		return;
	for (s = all->first; s != NULL; s = next) {
		next = s->next;
		free(s);
	}
	free(all);
}

int services_register(struct services *all, const char *plugin, const struct nbs_service *ops,
                      void *arg)
{
	struct service **at = &all->first;
	struct service *s;

	if (!NBS_HAS(struct nbs_service, ops, thread_end) || ops->protocol == NULL ||
	    (ops->adopt == NULL) == (ops->open == NULL))
		return -EINVAL;
	for (; *at != NULL; at = &(*at)->next)
		if (strcmp((*at)->plugin, plugin) == 0 &&
		    strcmp((*at)->ops->protocol, ops->protocol) == 0)
			return -EEXIST;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return -ENOMEM;
	s->plugin = plugin;
	s->ops = ops;
	s->arg = arg;
	*at = s;
	return 0;
}

struct service *services_find(struct services *all, const char *protocol, const char *plugin)
{
	for (struct service *s = all->first; s != NULL; s = s->next)
		if (strcmp(s->ops->protocol, protocol) == 0 &&
		    (*plugin == '\0' || strcmp(s->plugin, plugin) == 0))
			return s;
	return NULL;
}

const char *service_plugin(const struct service *s)
{
	return s->plugin;
}

int service_adopts(const struct service *s)
{
	return s->ops->adopt != NULL;
}

int service_adopt(struct service *s, int fd, struct nbs_conn *conn)
{
	return s->ops->adopt(s->arg, fd, conn);
}

void service_log_refusal(const struct service *s, int err)
{
	static struct log_limit limit;

	log_limited(&limit, NBS_WARN, "listener", "plugin %s does not take a connection: %s",
	            s->plugin, strerror(-err));
}

int service_open(struct service *s, unsigned thread, struct nbs_conn *conn,
                 const struct nbs_conn_ops **ops, void **cookie)
{
	struct thread_state *ts = &s->threads[thread];
	int r;

	if (!ts->begun && s->ops->thread_begin != NULL &&
	    (r = s->ops->thread_begin(s->arg, &ts->state)) < 0)
		return r;
	ts->begun = true;
	return s->ops->open(s->arg, conn, ts->state, ops, cookie);
}

void services_leave_thread(struct services *all, unsigned thread)
{
	for (struct service *s = all->first; s != NULL; s = s->next) {
		struct thread_state *ts = &s->threads[thread];

		if (ts->begun && s->ops->thread_end != NULL)
			s->ops->thread_end(s->arg, ts->state);
		ts->begun = false;
	}
}
