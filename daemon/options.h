/*
 * The command line: which subcommand, and the flags of wire.md, each also an environment
 * variable (NB_ + name in capitals, - as _; the flag outranks it).  An empty variable counts as
 * not set; of a repeated flag the last counts.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

enum options_command {
	OPTIONS_RUN,
	OPTIONS_CHECK,
	OPTIONS_PLUGINS,
	OPTIONS_VERSION,
	OPTIONS_HELP,
	OPTIONS_ASK /* none of ours: the running daemon may know it */
};

/* One value that was set by a flag or a variable, and where it came from, for messages. */
struct options_value {
	const char *value;  /* NULL: not set */
	const char *origin; /* "--port" or "NB_PORT" */
};

struct options {
	enum options_command command;
	/* OPTIONS_ASK: the command and all words after it, ended by NULL.  Options of ours stand
	 * before it; what looks like one behind it is the command's. */
	const char *const *words;
	struct options_value config; /* --config / NB_CONFIG */
	struct options_value port, metrics_port, letsencrypt_domain, letsencrypt_email, ssl_dir,
	    cert_file, cert_key, log_level, log_file;
};

/* Values point into argv and environ.  -EINVAL (usage, exit code 2) after a line on stderr that
 * names the word that is wrong. */
int options_parse(struct options *opt, int argc, char *const argv[]);
/* Whether it is the name of a command of ours. */
bool options_is_command(const char *name);
/* Commands, flags and their variables, on stdout. */
void options_help(void);

#endif
