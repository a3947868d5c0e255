/* What registry.c, registry_admission.c and registry_tick.c share. */
#ifndef REGISTRY_PRIVATE_H
#define REGISTRY_PRIVATE_H

#include "id_table.h"
#include "mailbox.h"
#include "peer_list.h"
#include "registry.h"
#include "registry_metrics.h"

#define REGISTRY_MAX_ADMISSIONS 8

struct registry_admission {
	const struct nbs_admission_ops *ops;
	void *self;
};

struct registry {
	struct id_table table;
	struct mailbox_budget budget;
	struct registry_metrics metrics;
	struct drops *drops;
	atomic_bool stopping;

	/* Settings; a reload changes them one by one, each is good with any of the others. */
	_Atomic size_t mailbox_messages, mailbox_bytes;
	_Atomic uint64_t send_timeout, grace_period, admission_timeout, replace_burst,
	    replace_interval;

	struct registry_admission admissions[REGISTRY_MAX_ADMISSIONS]; /* fixed before start */
	size_t n_admissions;

	struct peer_list asking; /* a plugin has still to decide */
	struct peer_list grace;  /* ended, the mailbox waits */

	pthread_mutex_t watch_lock;
	struct nbs_peer *watch; /* non-empty mailboxes; each holds a reference */
};

/* Admission is through: the lease takes its id, or is told why not. */
void registry_claim(struct nbs_peer *p);
/* Tells a lease that it is not registered, and counts it. */
void registry_refuse(struct nbs_peer *p, int verdict, const char *why);
/* Asks the admission plugins from number `step` on, then claims. */
void registry_ask(struct nbs_peer *p, size_t step);
void registry_watch(struct registry *r, struct nbs_peer *p);
/* Drops the mailbox of a lease that is out of the table. */
void registry_drop_mailbox(struct nbs_peer *p, unsigned reason);

#endif
