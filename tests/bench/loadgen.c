/*
 * loadgen.c - a crowd of NetBird peers for a signal server on this machine, and what it costs
 * the server.  The command line; see README.md for what is measured and how.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "frame.h"
#include "scenario.h"

#define SPARE_FDS 32

static const struct {
	const char *name;
	int (*run)(const struct scenario *);
} scenarios[] = {
    {"measure", scenario_measure},
    {"hold", scenario_hold},
    {"rounds", scenario_rounds},
    {"accept", scenario_accept},
};

/* Every option is one number with a range; `unit` is what it is multiplied by. */
struct number {
	const char *name;
	unsigned long min, max, value, unit;
	const char *meaning;
};

enum {
	PID,
	PEERS,
	MESSAGES,
	SECONDS,
	SIZE,
	OUTSTANDING,
	PATIENCE,
	HOLD,
	LEAVE,
	LEAVE_KIB,
	ROUNDS,
	EARLY,
	WINDOW,
	NUMBERS,
	ADDRESS = NUMBERS,
	TRANSPORT,
	CA,
	OPTIONS
};

static struct number numbers[NUMBERS] = {
    [PID] = {"pid", 1, 1ul << 30, 0, 1, "process of the server that --address named"},
    [PEERS] = {"peers", 1, 19000, 2000, 1, "connections, each with one registered peer"},
    [MESSAGES] = {"messages", 1, 100000000, 60000, 1, "messages to send and measure"},
    [SECONDS] = {"seconds", 1, 600, 60, 1000, "send none after this time"},
    [SIZE] = {"size", FRAME_BODY_MIN, 4194000, 400, 1, "bytes of a message's body"},
    [OUTSTANDING] = {"outstanding", 1, 1024, 64, 1,
                     "messages, or registrations, in flight at once"},
    [PATIENCE] = {"patience", 1, 120, 10, 1000, "seconds without progress that are a failure"},
    [HOLD] = {"hold", 0, 3600, 10, 1000, "seconds that idle peers stay (hold)"},
    [LEAVE] = {"leave", 0, 600, 0, 1000, "at most this long watch memory after all left"},
    [LEAVE_KIB] = {"leave-kib", 0, 1024, 8, 1, "KiB that may remain of a departed peer"},
    [ROUNDS] = {"rounds", 1, 1000, 10, 1, "how often (rounds)"},
    [EARLY] = {"early", 1, 19000, 500, 1, "how many the first server has meanwhile (accept)"},
    [WINDOW] = {"window", 2, 19000, 500, 1, "registrations to measure on each (accept)"},
};

static int usage(void)
{
	fprintf(
	    stderr,
	    "usage: loadgen --address ADDRESS:PORT [--transport NAME] --pid PID ...\n"
	    "               [OPTION ...] SCENARIO\n"
	    "measure (one or two servers), hold, rounds (one) or accept (two)\n"
	    "only loopback addresses are accepted\n"
	    "  --transport    grpc (the default), tls, tunnel or light: of the address before it\n"
	    "  --ca           PEM file, for tls: one of these has signed the server's "
	    "certificate\n");
	for (int i = 0; i < NUMBERS; i++)
		fprintf(stderr, "  --%-12s %s (%lu to %lu, default %lu)\n", numbers[i].name,
		        numbers[i].meaning, numbers[i].min, numbers[i].max, numbers[i].value);
	return 2;
}

static int parse_number(struct number *n, const char *text)
{
	char *end;

	errno = 0;
	n->value = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && n->value >= n->min &&
	    n->value <= n->max)
		return 0;
	fprintf(stderr, "loadgen: --%s: '%s' is no number from %lu to %lu\n", n->name, text, n->min,
	        n->max);
	return -EINVAL;
}

/* "127.0.0.1:10000" or "[::1]:10000" */
static int parse_address(struct sockaddr_storage *out, const char *text)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct number port = {.name = "address", .min = 1, .max = 65535};
	const char *colon = strrchr(text, ':');
	char host[64];
	int n;

	n = colon == NULL ? 0 : (int)(colon - text);
	if (n == 0 || n >= (int)sizeof(host) || parse_number(&port, colon + 1) < 0)
		goto err;
	memset(out, 0, sizeof(*out));
	snprintf(host, sizeof(host), "%.*s", n, text);
	if (strcmp(host, "[::1]") == 0) {
		v6->sin6_family = AF_INET6;
		v6->sin6_addr = in6addr_loopback;
		v6->sin6_port = htons((uint16_t)port.value);
		return 0;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port.value);
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1 &&
	    ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
		return 0;
err:
	fprintf(stderr, "loadgen: '%s' is no loopback address with a port\n", text);
	return -EINVAL;
}

static int parse_transport(struct peer_target *target, const char *text)
{
	const char *name;

	for (unsigned i = 0; (name = peer_transport_name(i)) != NULL; i++)
		if (strcmp(text, name) == 0) {
			target->transport = (enum peer_transport)i;
			return 0;
		}
	fprintf(stderr, "loadgen: '%s' is no transport\n", text);
	return -EINVAL;
}

static int parse_server(struct scenario *sc, int option, const char *text)
{
	struct scenario_server *last = sc->n_servers == 0 ? NULL : &sc->servers[sc->n_servers - 1];

	if (option == PID && last != NULL && last->pid == 0) {
		if (parse_number(&numbers[PID], text) < 0)
			return -EINVAL;
		last->pid = (pid_t)numbers[PID].value;
		return 0;
	}
	if (option == TRANSPORT && last != NULL && last->pid == 0)
		return parse_transport(&last->target, text);
	if (option == ADDRESS && (last == NULL || last->pid != 0) &&
	    sc->n_servers < SCENARIO_SERVERS)
		return parse_address(&sc->servers[sc->n_servers++].target.addr, text);
	fprintf(
	    stderr,
	    "loadgen: each --address needs one --pid after it, --transport between them; at most"
	    " %d\n",
	    SCENARIO_SERVERS);
	return -EINVAL;
}

static int set_ca(struct scenario *sc, const char *ca)
{
	for (unsigned i = 0; i < sc->n_servers; i++) {
		sc->servers[i].target.ca = ca;
		if (ca == NULL && sc->servers[i].target.transport == PEER_TLS) {
			fprintf(stderr, "loadgen: TLS needs --ca\n");
			return -EINVAL;
		}
	}
	return 0;
}

static int parse_options(int argc, char **argv, struct scenario *sc)
{
	struct option options[OPTIONS + 1] = {
	    [ADDRESS] = {"address", required_argument, NULL, ADDRESS},
	    [TRANSPORT] = {"transport", required_argument, NULL, TRANSPORT},
	    [CA] = {"ca", required_argument, NULL, CA},
	};
	const char *ca = NULL;
	int c, r = 0;

	for (int i = 0; i < NUMBERS; i++)
		options[i] = (struct option){numbers[i].name, required_argument, NULL, i};
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return -EINVAL;
		if (c == CA)
			ca = optarg;
		else
			r = c < NUMBERS && c != PID ? parse_number(&numbers[c], optarg)
			                            : parse_server(sc, c, optarg);
		if (r < 0)
			return r;
	}
	if (sc->n_servers == 0 || sc->servers[sc->n_servers - 1].pid == 0 || optind != argc - 1) {
		fprintf(stderr, "loadgen: an address, a pid and one scenario are needed\n");
		return -EINVAL;
	}
	return set_ca(sc, ca);
}

static int raise_descriptors(unsigned long needed)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return -errno;
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &lim) != 0)
		return -errno;
	if (lim.rlim_max >= needed)
		return 0;
	fprintf(stderr, "loadgen: %lu descriptors are needed, %lu are allowed\n", needed,
	        (unsigned long)lim.rlim_max);
	return -EMFILE;
}

int main(int argc, char **argv)
{
	struct scenario sc = {0};

	if (parse_options(argc, argv, &sc) < 0)
		return usage();
	for (int i = 0; i < NUMBERS; i++)
		numbers[i].value *= numbers[i].unit;
	sc.swarm.peers = (unsigned)numbers[PEERS].value;
	sc.swarm.body = numbers[SIZE].value;
	sc.swarm.outstanding = (unsigned)numbers[OUTSTANDING].value;
	sc.swarm.patience_ms = (unsigned)numbers[PATIENCE].value;
	sc.messages = numbers[MESSAGES].value;
	sc.at_most_ms = numbers[SECONDS].value;
	sc.hold_ms = (unsigned)numbers[HOLD].value;
	sc.leave_ms = (unsigned)numbers[LEAVE].value;
	sc.leave_kib = (unsigned)numbers[LEAVE_KIB].value;
	sc.rounds = (unsigned)numbers[ROUNDS].value;
	sc.early = (unsigned)numbers[EARLY].value;
	sc.window = (unsigned)numbers[WINDOW].value;
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	if (raise_descriptors(sc.n_servers * sc.swarm.peers + sc.window + SPARE_FDS) < 0)
		return 1;
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (strcmp(argv[optind], scenarios[i].name) == 0)
			return scenarios[i].run(&sc) == 0 ? 0 : 1;
	return usage();
}
