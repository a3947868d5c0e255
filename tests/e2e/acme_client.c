/* The ACME client of plugins/letsencrypt alone, for scenarios against a CA: one order, whose solver
 * asks whoever started this program.
 *
 *   started                                        SIGUSR1 may come
 *   begin NAME TYPE TOKEN KEY-AUTHORIZATION ...    answered by a line: the type to take, or "no"
 *   settle                                         all that begins has begun
 *   end TYPE NAME valid|invalid
 *   ari START END RETRY-AFTER EXPLANATION
 *   account URL
 *   email <ADDRESS>
 *   result ERRNO KIND RETRY-AFTER TEXT             the last line; ERRNO is 0 or negative
 *
 * SIGUSR1 is acme_cancel() from another thread. */
#include "../../plugins/letsencrypt/acme.h"

#include <openssl/pem.h>

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX 16

static struct acme_settings settings = {.timeout_s = 10};
static struct acme_order order = {.timeout_s = 60};
static struct acme_identifier names[NAMES_MAX];
static const char *out_file, *ari_id;
static int orders = 1;

/* libcurl's resolver calls this one: names below .stalls wait for an answer that never comes. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **res)
{
	struct in_addr a;
	char *end = node != NULL ? strstr(node, ".stalls") : NULL;

	if (end != NULL && strcmp(end, ".stalls") == 0)
		for (;;)
			pause();
	*res = calloc(1, sizeof(**res) + sizeof(struct sockaddr_in));
	if (*res == NULL)
		return EAI_MEMORY;
	if (node == NULL || inet_pton(AF_INET, node, &a) != 1)
		a.s_addr = htonl(INADDR_LOOPBACK);
	(*res)->ai_family = AF_INET;
	(*res)->ai_socktype = hints != NULL ? hints->ai_socktype : SOCK_STREAM;
	(*res)->ai_addrlen = sizeof(struct sockaddr_in);
	(*res)->ai_addr = (struct sockaddr *)(*res + 1);
	*(struct sockaddr_in *)(*res)->ai_addr =
	    (struct sockaddr_in){.sin_family = AF_INET,
	                         .sin_port = htons((uint16_t)atoi(service != NULL ? service : "0")),
	                         .sin_addr = a};
	return 0;
}

void freeaddrinfo(struct addrinfo *res)
{
	free(res);
}

static void die(const char *what)
{
	fprintf(stderr, "acme_client: %s\n", what);
	exit(2);
}

static int begin(void *arg, const struct acme_challenge *offered, size_t n, size_t *chosen,
                 struct failure *f)
{
	char answer[64];

	(void)arg;
	printf("begin %s", offered[0].identifier.value);
	for (size_t i = 0; i < n; i++)
		printf(" %s %s %s", offered[i].type, offered[i].token,
		       offered[i].key_authorization);
	printf("\n");
	if (fgets(answer, sizeof(answer), stdin) == NULL)
		die("no answer");
	answer[strcspn(answer, "\n")] = '\0';
	for (size_t i = 0; i < n; i++)
		if (strcmp(offered[i].type, answer) == 0) {
			*chosen = i;
			return 0;
		}
	return failure_set(f, FAILURE_UNREACHABLE, -ENETUNREACH, "the solver says \"%s\"", answer);
}

static int settle(void *arg, struct failure *f)
{
	(void)arg;
	(void)f;
	printf("settle\n");
	return 0;
}

static void end(void *arg, const struct acme_challenge *c, bool valid)
{
	(void)arg;
	printf("end %s %s %s\n", c->type, c->identifier.value, valid ? "valid" : "invalid");
}

static void *cancel_thread(void *acme)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (sigwait(&set, &sig) == 0)
		acme_cancel(acme);
	return NULL;
}

static EVP_PKEY *read_key(const char *file)
{
	FILE *in = fopen(file, "r");
	EVP_PKEY *key = in != NULL ? PEM_read_PrivateKey(in, NULL, NULL, NULL) : NULL;

	if (key == NULL)
		die("no account key");
	fclose(in);
	return key;
}

static void read_csr(const char *file)
{
	static unsigned char der[16384];
	FILE *in = fopen(file, "r");

	if (in == NULL)
		die("no request");
	order.csr = der;
	order.csr_len = fread(der, 1, sizeof(der), in);
	fclose(in);
}

static void read_words(int argc, char **argv)
{
	static const struct option options[] = {{"ca", 1, NULL, 'c'},
	                                        {"key", 1, NULL, 'k'},
	                                        {"csr", 1, NULL, 'r'},
	                                        {"out", 1, NULL, 'o'},
	                                        {"email", 1, NULL, 'e'},
	                                        {"profile", 1, NULL, 'p'},
	                                        {"eab-kid", 1, NULL, 'i'},
	                                        {"eab-key", 1, NULL, 'm'},
	                                        {"account", 1, NULL, 'a'},
	                                        {"timeout", 1, NULL, 't'},
	                                        {"order-timeout", 1, NULL, 'T'},
	                                        {"replaces", 1, NULL, 'R'},
	                                        {"account-email", 1, NULL, 'E'},
	                                        {"ari", 1, NULL, 'A'},
	                                        {"orders", 1, NULL, 'n'},
	                                        {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'c':
			settings.ca_file = optarg;
			break;
		case 'k':
			settings.account_key = read_key(optarg);
			break;
		case 'r':
			read_csr(optarg);
			break;
		case 'o':
			out_file = optarg;
			break;
		case 'e':
			settings.email = optarg;
			break;
		case 'p':
			settings.profile = optarg;
			break;
		case 'i':
			settings.eab_kid = optarg;
			break;
		case 'm':
			settings.eab_key = optarg;
			break;
		case 'a':
			settings.account_url = optarg;
			break;
		case 'E':
			settings.account_email = optarg;
			break;
		case 't':
			settings.timeout_s = (unsigned)atoi(optarg);
			break;
		case 'T':
			order.timeout_s = (unsigned)atoi(optarg);
			break;
		case 'R':
			order.replaces = optarg;
			break;
		case 'A':
			ari_id = optarg;
			break;
		case 'n':
			orders = atoi(optarg);
			break;
		default:
			die("an option that is none");
		}
	if (optind == argc || argc - optind - 1 > NAMES_MAX)
		die("a directory, then names");
	settings.directory_url = argv[optind++];
	for (; optind < argc; optind++) {
		unsigned char a[16];
		bool ip = inet_pton(AF_INET, argv[optind], a) == 1 ||
		          inet_pton(AF_INET6, argv[optind], a) == 1;

		names[order.n_identifiers++] =
		    (struct acme_identifier){ip ? ACME_IP : ACME_DNS, argv[optind]};
	}
	order.identifiers = names;
}

static void write_chain(const char *chain)
{
	FILE *out = out_file != NULL ? fopen(out_file, "w") : NULL;

	if (out == NULL || fputs(chain, out) < 0 || fclose(out) != 0)
		die("the certificate cannot be written");
}

static int work(struct acme *acme, struct failure *f)
{
	const struct acme_solver solver = {begin, settle, end, NULL};
	struct acme_window w;
	int r = 0;

	if (ari_id != NULL && (r = acme_renewal_info(acme, ari_id, &w, f)) == 0)
		printf("ari %lld %lld %llu %s\n", (long long)w.start, (long long)w.end,
		       (unsigned long long)w.retry_after_s, w.explanation);
	if (order.n_identifiers == 0)
		return r;
	if (r == 0)
		r = acme_account(acme, f);
	if (r == 0)
		r = acme_contact(acme, f);
	for (int i = 0; i < orders && r == 0; i++) {
		char *chain;

		if ((r = acme_order(acme, &order, &solver, &chain, f)) == 0) {
			write_chain(chain);
			free(chain);
		}
	}
	return r;
}

int main(int argc, char **argv)
{
	struct failure f = {0};
	struct acme *acme = NULL;
	pthread_t thread;
	sigset_t set;
	int r;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	read_words(argc, argv);
	if (acme_prepare() < 0)
		die("acme_prepare");
	if ((r = acme_open(&acme, &settings, &f)) == 0) {
		pthread_create(&thread, NULL, cancel_thread, acme);
		printf("started\n");
		r = work(acme, &f);
		if (acme_account_url(acme) != NULL)
			printf("account %s\n", acme_account_url(acme));
		if (acme_account_email(acme) != NULL)
			printf("email <%s>\n", acme_account_email(acme));
		kill(getpid(), SIGUSR1); /* ends the thread */
		pthread_join(thread, NULL);
		acme_close(acme);
	}
	EVP_PKEY_free(settings.account_key);
	printf("result %d %s %llu %s\n", r, r == 0 ? "none" : failure_label(f.kind),
	       (unsigned long long)f.retry_after_s, r == 0 ? "" : f.text);
	return r == 0 ? 0 : 1;
}
