/* netbird-signal: the subcommands and their exit codes (0 done, 1 configuration, start or command
 * failed, 2 usage). */
#include "config.h"
#include "control_client.h"
#include "daemon.h"
#include "options.h"
#include "plugin.h"

#include <netbird-signal/plugin.h>

#include <stdio.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* A command of a plugin; the configuration says where its daemon listens. */
static int ask_daemon(const struct options *opt)
{
	struct config *cfg;
	int status;

	if (config_load(&cfg, opt) < 0)
		return EXIT_FAILED;
	status = control_client_call(cfg->control_socket, opt->words, CONTROL_CLIENT_MS);
	config_free(cfg);
	return status;
}

static int with_config(const struct options *opt)
{
	struct config *cfg;
	int r;

	if (config_load(&cfg, opt) < 0)
		return EXIT_FAILED;
	switch (opt->command) {
	case OPTIONS_RUN:
		r = daemon_run(cfg, opt);
		break;
	case OPTIONS_CHECK:
		if ((r = daemon_check(cfg)) == 0)
			puts("ok");
		break;
	default:
		r = plugins_list(cfg, stdout);
		config_free(cfg);
	}
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

int main(int argc, char *argv[])
{
	struct options opt;

	if (options_parse(&opt, argc, argv) < 0)
		return EXIT_USAGE;
	switch (opt.command) {
	case OPTIONS_HELP:
		options_help();
		return EXIT_DONE;
	case OPTIONS_VERSION:
		printf("netbird-signal %s (plugin ABI %u)\n", VERSION, NBS_ABI);
		return EXIT_DONE;
	case OPTIONS_ASK:
		return ask_daemon(&opt);
	default:
		return with_config(&opt);
	}
}
