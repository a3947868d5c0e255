/* A flag and a list of objections, under one lock that is held for a copy at most. */
#include "ready.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct objection {
	struct objection *next;
	char *why; /* NULL: lost for want of memory */
	char who[];
};

struct ready {
	pthread_mutex_t lock;
	bool serving;
	struct objection *first; /* in the order in which they came */
};

int ready_open(struct ready **out)
{
	struct ready *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	*out = r;
	return 0;
}

static void objection_free(struct objection *o)
{
	if (o == NULL)
		return;
	free(o->why);
	free(o);
}

void ready_close(struct ready *r)
{
	struct objection *o, *next;

	if (r == NULL)
		return;
	for (o = r->first; o != NULL; o = next) {
		next = o->next;
		objection_free(o);
	}
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void ready_set_serving(struct ready *r, bool serving)
{
	pthread_mutex_lock(&r->lock);
	r->serving = serving;
	pthread_mutex_unlock(&r->lock);
}

static struct objection *objection_new(const char *who, const char *why)
{
	const size_t len = strlen(who) + 1;
	struct objection *o = calloc(1, sizeof(*o) + len);

	if (o == NULL)
		return NULL;
	memcpy(o->who, who, len);
	o->why = strdup(why);
	return o;
}

/* Where the objection of `who` hangs, or the end of the list. */
static struct objection **place(struct ready *r, const char *who)
{
	struct objection **at = &r->first;

	while (*at != NULL && strcmp((*at)->who, who) != 0)
		at = &(*at)->next;
	return at;
}

void ready_object(struct ready *r, const char *who, const char *why)
{
	struct objection *made = why != NULL ? objection_new(who, why) : NULL;
	struct objection **at, *old;

	pthread_mutex_lock(&r->lock);
	at = place(r, who);
	old = *at;
	if (made != NULL) {
		made->next = old != NULL ? old->next : NULL;
		*at = made;
	} else if (old != NULL && why == NULL) {
		*at = old->next;
	} else {
		old = NULL; /* nothing to take away, or no memory: what was said still stands */
	}
	pthread_mutex_unlock(&r->lock);
	objection_free(old);
}

static void add_line(char *text, size_t size, size_t *len, const char *who, const char *why)
{
	int n;

	if (*len >= size)
		return;
	n = snprintf(text + *len, size - *len, "%s%s%s\n", who, *who != '\0' ? ": " : "", why);
	if (n > 0)
		*len += (size_t)n;
}

bool ready_look(struct ready *r, char *text, size_t size)
{
	size_t len = 0;
	bool ready;

	if (size > 0)
		*text = '\0';
	pthread_mutex_lock(&r->lock);
	ready = r->serving && r->first == NULL;
	if (!r->serving)
		add_line(text, size, &len, "", "not serving");
	for (const struct objection *o = r->first; o != NULL; o = o->next)
		add_line(text, size, &len, o->who, o->why != NULL ? o->why : "not ready");
	pthread_mutex_unlock(&r->lock);
	return ready;
}
