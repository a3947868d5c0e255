/*
 * For tests: commands for the administrator.
 *   say WORD...    prints each word on a line of its own, in brackets
 *   refuse [WHY]   fails, with that text or with none
 *   flood          prints 100 KiB
 *   paint          prints what a terminal would obey, and bytes that are no text
 *   choose WORD    wants "one" or "two"; anything else is a wrong word, of which it says more
 * Key `name`: one more command of that name, which prints nothing.
 */
#include <netbird-signal/plugin.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

NBS_PLUGIN_NOTE;

static struct nbs_host *host;

static int say(void *arg, struct nbs_call *call, int argc, const char *const *argv)
{
	(void)arg;
	for (int i = 0; i < argc; i++)
		host->call_print(call, "[%s]\n", argv[i]);
	return argv[argc] == NULL ? 0 : -EIO;
}

static int refuse(void *arg, struct nbs_call *call, int argc, const char *const *argv)
{
	(void)arg;
	if (argc > 0)
		host->call_print(call, "refused: %s\n", argv[0]);
	return -EIO;
}

static int flood(void *arg, struct nbs_call *call, int argc, const char *const *argv)
{
	(void)arg, (void)argc, (void)argv;
	for (int i = 0; i < 100 * 1024 / 16; i++)
		host->call_print(call, "line %10d\n", i);
	return 0;
}

static int paint(void *arg, struct nbs_call *call, int argc, const char *const *argv)
{
	(void)arg, (void)argc, (void)argv;
	host->call_print(call, "tab\tred \033[31m bell \a caf\303\251 half \303\n");
	return 0;
}

static int choose(void *arg, struct nbs_call *call, int argc, const char *const *argv)
{
	(void)arg;
	if (argc == 1 && (strcmp(argv[0], "one") == 0 || strcmp(argv[0], "two") == 0))
		return 0;
	host->call_print(call, "choose: %d words\n", argc);
	return -EINVAL;
}

static int nothing(void *arg, struct nbs_call *call, int argc, const char *const *argv)
{
	(void)arg, (void)call, (void)argc, (void)argv;
	return 0;
}

static const struct nbs_command commands[] = {
    {sizeof(struct nbs_command), "say", "WORD...", say},
    {sizeof(struct nbs_command), "refuse", "[WHY]", refuse},
    {sizeof(struct nbs_command), "flood", NULL, flood},
    {sizeof(struct nbs_command), "paint", NULL, paint},
    {sizeof(struct nbs_command), "choose", "one | two", choose},
};

static int command_init(struct nbs_host *h, void **self)
{
	static struct nbs_command more = {sizeof(more), "", NULL, nothing};
	int r;

	host = h;
	*self = NULL;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if ((r = h->command_register(h, &commands[i], NULL)) < 0)
			return r;
	if ((r = h->conf_str(h, "name", &more.name)) < 0)
		return r;
	return *more.name != '\0' ? h->command_register(h, &more, NULL) : 0;
}

static void command_destroy(void *self)
{
	(void)self;
}

const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,      .name = "command",          .version = "1.0",
    .init = command_init, .destroy = command_destroy,
};
