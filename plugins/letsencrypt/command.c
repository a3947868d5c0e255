#include "command.h"

#include "when.h"

#include <netbird-signal/plugin.h>

#include <errno.h>
#include <string.h>
#include <time.h>

static const char *phase_text(const struct status *st)
{
	switch (st->phase) {
	case STATUS_WORKING:
		return "asking the CA for a certificate";
	case STATUS_NO_CLOCK:
		return "waiting until the clock is set";
	case STATUS_WAITING:
		break;
	}
	return "waiting";
}

static void print_time(const struct command *c, struct nbs_call *call, const char *what, time_t t,
                       time_t now, const char *otherwise)
{
	char text[WHEN_SIZE], far[WHEN_SIZE];

	if (t == 0)
		c->host->call_print(call, "%-14s %s\n", what, otherwise);
	else
		c->host->call_print(call, "%-14s %s (%s)\n", what, when_text(text, t),
		                    when_far(far, t, now));
}

static void print_certificate(const struct command *c, struct nbs_call *call,
                              const struct status *st, time_t now)
{
	struct nbs_host *host = c->host;
	char text[WHEN_SIZE], far[WHEN_SIZE];

	if (!st->has) {
		host->call_print(call, "%-14s %s\n", "certificate:",
		                 st->temporary ? "a temporary one, signed by this server itself"
		                               : "none");
		return;
	}
	host->call_print(call, "%-14s %s\n", "issuer:", st->issuer);
	host->call_print(call, "%-14s %s\n", "valid from:", when_text(text, st->not_before));
	host->call_print(call, "%-14s %s (%s)\n", st->not_after > now ? "expires:" : "EXPIRED:",
	                 when_text(text, st->not_after), when_far(far, st->not_after, now));
	if (st->file)
		host->call_print(call, "%-14s %s/certificate.pem\n", "stored:", st->folder);
	else
		host->call_print(call, "%-14s not yet, see the failure below\n", "stored:");
}

static void print_window(const struct command *c, struct nbs_call *call, const struct status *st)
{
	char from[WHEN_SIZE], to[WHEN_SIZE];

	if (!st->has_window)
		return;
	c->host->call_print(
	    call, "%-14s %s to %s%s%s\n", "CA's window:", when_text(from, st->window.start),
	    when_text(to, st->window.end), st->window.explanation[0] != '\0' ? ", see " : "",
	    st->window.explanation);
}

static void print_failure(const struct command *c, struct nbs_call *call, const struct status *st,
                          time_t now)
{
	const struct status_failure *last = &st->last;

	if (last->at == 0) {
		c->host->call_print(call, "%-14s none\n", "last failure:");
		return;
	}
	print_time(c, call, "last failure:", last->at, now, "");
	c->host->call_print(call, "%-14s %s: %s\n", "", failure_label(last->failure.kind),
	                    last->failure.text);
	if (last->n > 1)
		c->host->call_print(call, "%-14s %u in a row\n", "", last->n);
	else if (last->n == 0)
		c->host->call_print(call, "%-14s it has been overcome\n", "");
}

static int print_status(const struct command *c, struct nbs_call *call)
{
	const struct status st = *status_lock(c->board);
	const time_t now = time(NULL);

	status_unlock(c->board);
	c->host->call_print(call, "%-14s %s\n", "names:", st.names);
	c->host->call_print(call, "%-14s %s\n", "state:", phase_text(&st));
	print_certificate(c, call, &st, now);
	print_window(c, call, &st);
	print_time(c, call, "next attempt:", st.next_attempt, now, "not known");
	print_time(c, call, "last success:", st.last_success, now, "none since the start");
	print_failure(c, call, &st, now);
	c->host->call_print(call, "%-14s %s\n", "directory:", st.directory);
	c->host->call_print(call, "%-14s %s\n", "challenges:", st.challenges);
	return 0;
}

static int ask_renewal(const struct command *c, struct nbs_call *call)
{
	int r = worker_renew(c->worker);

	if (r == 0)
		c->host->call_print(call, "a new certificate is being asked for; \"netbird-signal "
		                          "cert status\" says how it goes\n");
	else if (r == -EBUSY)
		c->host->call_print(call, "not now: a certificate is being asked for already\n");
	else if (r == -EAGAIN)
		c->host->call_print(call,
		                    "not now: the clock of this machine is wrong, set it first\n");
	else
		c->host->call_print(call, "not now: the server stops\n");
	return r;
}

static int run(void *arg, struct nbs_call *call, int argc, const char *const *argv)
{
	const struct command *c = arg;
	const bool status = argc == 1 && strcmp(argv[0], "status") == 0;
	const bool renew = argc == 1 && strcmp(argv[0], "renew") == 0;

	if (!status && !renew)
		return -EINVAL;
	if (c->worker == NULL) {
		c->host->call_print(call,
		                    "no certificate is asked for: [plugin letsencrypt] has no "
		                    "domain\n");
		return renew ? -ENOENT : 0;
	}
	return status ? print_status(c, call) : ask_renewal(c, call);
}

int command_open(const struct command *c)
{
	static const struct nbs_command cert = {
	    .size = sizeof(cert), .name = "cert", .usage = "status | renew", .run = run};

	return c->host->command_register(c->host, &cert, (void *)c);
}
