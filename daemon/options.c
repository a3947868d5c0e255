/*
 * The command line.  Words are taken in any order, as NetBird's own programs do it: flags may
 * come before or after the command, as "--port 10000" or "--port=10000".
 */
#include "options.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct flag {
	const char *name, *variable;
	size_t offset;
	bool may_be_empty; /* container templates pass these as --cert-file "" */
	const char *argument, *meaning;
} flags[] = {
    {"--config", "NB_CONFIG", offsetof(struct options, config), false, "FILE",
     "configuration (/etc/netbird/signal.ini)"},
    {"--port", "NB_PORT", offsetof(struct options, port), false, "N",
     "port of [listener signal], on every address (10000)"},
    {"--log-level", "NB_LOG_LEVEL", offsetof(struct options, log_level), false, "LEVEL",
     "error, warn, info or debug (info)"},
    {"--log-file", "NB_LOG_FILE", offsetof(struct options, log_file), false, "FILE",
     "log file, or console (/var/log/netbird/signal.log)"},
    {"--metrics-port", "NB_METRICS_PORT", offsetof(struct options, metrics_port), false, "N",
     "port of the metrics; loads the plugin that shows them (9090)"},
    {"--cert-file", "NB_CERT_FILE", offsetof(struct options, cert_file), true, "FILE",
     "certificate chain of [tls], PEM; with --cert-key"},
    {"--cert-key", "NB_CERT_KEY", offsetof(struct options, cert_key), true, "FILE",
     "its private key, PEM"},
    {"--letsencrypt-domain", "NB_LETSENCRYPT_DOMAIN", offsetof(struct options, letsencrypt_domain),
     true, "NAMES", "gets a certificate for these; loads the plugin that does it"},
    {"--letsencrypt-email", "NB_LETSENCRYPT_EMAIL", offsetof(struct options, letsencrypt_email),
     true, "ADDRESS", "where Let's Encrypt may write to about it"},
    {"--ssl-dir", "NB_SSL_DIR", offsetof(struct options, ssl_dir), true, "DIRECTORY",
     "where its keys and certificates are kept (/var/lib/netbird/)"},
};
#define N_FLAGS (sizeof(flags) / sizeof(flags[0]))

static const struct command {
	const char *name;
	enum options_command command;
	const char *meaning;
} commands[] = {
    {"run", OPTIONS_RUN, "serve peers until SIGTERM or SIGINT"},
    {"check", OPTIONS_CHECK, "say what is wrong with the configuration, start nothing"},
    {"plugins", OPTIONS_PLUGINS, "list the plugins that would be loaded"},
    {"version", OPTIONS_VERSION, "print the version"},
    {"help", OPTIONS_HELP, "print this text"},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* The words that are left, and what was understood so far. */
struct words {
	struct options *opt;
	char *const *next;
	bool has_command, flags_ended, done;
};

static int usage(const char *before, const char *word, const char *after)
{
	fprintf(stderr,
	        "netbird-signal: %s%s%s; \"netbird-signal help\" lists commands and options\n",
	        before, word, after);
	return -EINVAL;
}

static void store(struct options *opt, const struct flag *f, const char *value, const char *origin)
{
	struct options_value *v = (struct options_value *)((char *)opt + f->offset);

	v->value = *value ? value : NULL;
	v->origin = *value ? origin : NULL;
}

static void take_environment(struct options *opt)
{
	size_t i;

	for (i = 0; i < N_FLAGS; i++) {
		const char *value = getenv(flags[i].variable);

		if (value)
			store(opt, &flags[i], value, flags[i].variable);
	}
}

static const struct flag *find_flag(const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < N_FLAGS; i++) {
		if (strlen(flags[i].name) == len && strncmp(flags[i].name, word, len) == 0)
			return &flags[i];
	}
	return NULL;
}

static int take_flag(struct words *w, const char *word)
{
	const char *equals = strchr(word, '='), *value;
	const struct flag *f = find_flag(word, equals ? (size_t)(equals - word) : strlen(word));

	if (!f)
		return usage("unknown option ", word, "");
	if (equals) {
		value = equals + 1;
	} else {
		if (!*w->next || strncmp(*w->next, "--", 2) == 0)
			return usage(f->name, " needs a value: ", f->argument);
		value = *w->next++;
	}
	if (!*value && !f->may_be_empty)
		return usage(f->name, " needs a value that is not empty: ", f->argument);
	store(w->opt, f, value, f->name);
	return 0;
}

static int take_short(struct words *w, const char *word)
{
	size_t i;

	if (strcmp(word, "-h") == 0) {
		w->opt->command = OPTIONS_HELP;
		w->done = true;
		return 0;
	}
	for (i = 0; i < N_FLAGS; i++) {
		if (strncmp(word, flags[i].name + 1, strcspn(word, "=")) == 0 &&
		    flags[i].name[1 + strcspn(word, "=")] == '\0') {
			usage("unknown option ", word, ", long options begin with two dashes");
			return -EINVAL;
		}
	}
	return usage("unknown option ", word, "");
}

static const struct command *find_command(const char *word)
{
	size_t i;

	for (i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i].name, word) == 0)
			return &commands[i];
	}
	return NULL;
}

bool options_is_command(const char *name)
{
	return find_command(name) != NULL;
}

/* `word` is the last that was taken from the list.  An empty one or a dash is nobody's. */
static int take_command(struct words *w, const char *word)
{
	const struct command *c = find_command(word);

	if (w->has_command)
		return usage("unexpected word \"", word, "\"");
	if (!c && (word[0] == '-' || word[0] == '\0'))
		return usage("unknown command \"", word, "\"");
	w->has_command = true;
	w->opt->command = c ? c->command : OPTIONS_ASK;
	w->opt->words = c ? NULL : (const char *const *)w->next - 1;
	w->done = !c || c->command == OPTIONS_HELP;
	return 0;
}

static int take_word(struct words *w, const char *word)
{
	if (w->flags_ended || word[0] != '-' || word[1] == '\0')
		return take_command(w, word);
	if (word[1] != '-')
		return take_short(w, word);
	if (word[2] == '\0') {
		w->flags_ended = true;
		return 0;
	}
	if (strcmp(word, "--help") == 0 || strcmp(word, "--version") == 0) {
		w->opt->command = word[2] == 'h' ? OPTIONS_HELP : OPTIONS_VERSION;
		w->done = true;
		return 0;
	}
	return take_flag(w, word);
}

int options_parse(struct options *opt, int argc, char *const argv[])
{
	struct words w = {.opt = opt, .next = argc > 0 ? argv + 1 : argv};
	int r;

	*opt = (struct options){0};
	take_environment(opt);
	while (*w.next && !w.done) {
		const char *word = *w.next++;

		if ((r = take_word(&w, word)) < 0)
			return r;
	}
	if (!w.has_command && !w.done)
		return usage("expected a command: ", "run, check, plugins, version or help", "");
	return 0;
}

void options_help(void)
{
	size_t i;

	printf("usage: netbird-signal COMMAND [OPTION]...\n\ncommands:\n");
	for (i = 0; i < N_COMMANDS; i++)
		printf("  %-9s %s\n", commands[i].name, commands[i].meaning);
	printf("\nAny other word is a command of a plugin.  It is taken to the running daemon, "
	       "with all "
	       "words\nafter it; options of this program stand before it:\n\n"
	       "  netbird-signal [OPTION]... COMMAND [WORD]...\n");
	printf("\noptions (default), and the environment variable that does the same:\n");
	for (i = 0; i < N_FLAGS; i++) {
		char left[40];

		snprintf(left, sizeof(left), "%s %s", flags[i].name, flags[i].argument);
		printf("  %-28s %-22s %s\n", left, flags[i].variable, flags[i].meaning);
	}
	printf("\nexit codes: 0 done, 1 configuration, start or command failed, 2 wrong command "
	       "line\n");
}
