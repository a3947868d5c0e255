/*
 * Verdicts: the admission plugins are asked one after the other, each may take its time.  While
 * a verdict is open the lease is on the `asking` list; whoever takes it off (the last plugin, the
 * timeout, the end of the lease) decides, everybody else comes too late.
 */
#include "registry_private.h"

#include "clock.h"
#include "log.h"
#include "peer.h"

#include <errno.h>

int registry_add_admission(struct registry *r, const struct nbs_admission_ops *ops, void *self)
{
	for (size_t i = 0; i < r->n_admissions; i++)
		if (r->admissions[i].ops == ops && r->admissions[i].self == self)
			return -EEXIST;
	if (r->n_admissions == REGISTRY_MAX_ADMISSIONS)
		return -ENOMEM;
	r->admissions[r->n_admissions++] = (struct registry_admission){ops, self};
	return 0;
}

static void decided(struct nbs_peer *p, int verdict, const char *why)
{
	struct registry *r = p->registry;

	if (!peer_list_remove(&r->asking, p))
		return; /* too late */
	if (verdict == 0) {
		registry_claim(p);
		return;
	}
	metrics_count(r->metrics.admission_refused);
	registry_refuse(p, -EACCES, why != NULL ? why : "not admitted");
}

/* 0: go on with the next plugin; otherwise this one has decided or will. */
static int ask_one(struct nbs_peer *p, size_t step)
{
	const struct registry_admission *a = &p->registry->admissions[step];
	const char *why = NULL;
	int verdict;

	p->admission_step = step;
	peer_ref(p); /* belongs to the question */
	verdict = a->ops->admit(a->self, (struct nbs_admission *)p, p->id, p->id_len, &why);
	if (verdict == -EINPROGRESS)
		return verdict; /* p may be gone already */
	if (verdict != 0)
		decided(p, verdict, why);
	peer_unref(p);
	return verdict;
}

void registry_ask(struct nbs_peer *p, size_t step)
{
	struct registry *r = p->registry;

	if (r->n_admissions == 0) {
		registry_claim(p);
		return;
	}
	if (step == 0)
		peer_list_add(&r->asking, p, clock_ms() + r->admission_timeout);
	/* After the list: registry_stop() may just have swept it. */
	if (atomic_load(&r->stopping) && peer_list_remove(&r->asking, p)) {
		registry_refuse(p, -ESHUTDOWN, "the server is shutting down");
		return;
	}
	for (; step < r->n_admissions; step++)
		if (ask_one(p, step) != 0)
			return;
	decided(p, 0, NULL);
}

void registry_admission_decide(struct nbs_admission *ask, int verdict, const char *why)
{
	struct nbs_peer *p = (struct nbs_peer *)ask;

	if (verdict == 0)
		registry_ask(p, p->admission_step + 1);
	else
		decided(p, verdict, why);
	peer_unref(p);
}
