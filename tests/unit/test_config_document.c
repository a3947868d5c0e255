/*
 * etc/signal.ini against the program: every documented option is accepted, every accepted one
 * is documented, and the documented default is the real one.
 */
#include "config_case.h"
#include "config_key.h"
#include "config_store.h"

#include <dlfcn.h>
#include <errno.h>

#define DOCUMENT "etc/signal.ini"

static char whole[65536];

/* Options that the document has and the program asked for. */
static unsigned documented, asked;

static void read_document(void)
{
	FILE *f = fopen(DOCUMENT, "r");
	size_t n;

	cr_assert(f, DOCUMENT " is read from the root of the sources");
	n = fread(whole, 1, sizeof(whole) - 1, f);
	cr_assert(n > 0 && n < sizeof(whole) - 1);
	whole[n] = '\0';
	fclose(f);
}

TestSuite(document, .init = read_document);

/* The documented default of a key, or NULL; `section` is all of "[listener signal]". */
static const char *default_of(const char *section, const char *key)
{
	static char value[256];
	const char *line, *next;
	bool inside = false;

	for (line = whole; *line; line = next) {
		size_t len = strcspn(line, "\n"), n = strlen(key);

		next = line + len + (line[len] == '\n');
		/* A section that is not in force may be documented too. */
		if (*line == '[')
			inside = len == strlen(section) && strncmp(line, section, len) == 0;
		else if (strncmp(line, "#[", 2) == 0)
			inside =
			    len == strlen(section) + 1 && strncmp(line + 1, section, len - 1) == 0;
		if (!inside || *line != '#' || strncmp(line + 1, key, n) != 0 ||
		    strncmp(line + 1 + n, " =", 2) != 0)
			continue;
		snprintf(value, sizeof(value), "%.*s", (int)(len - n - 3), line + n + 3);
		return value + (*value == ' ');
	}
	return NULL;
}

/* The document with every "#key = value" made "key = value"; the section of a plugin that the
 * built-in configuration does not load goes with its keys. */
static char *uncommented(void)
{
	char *text = strdup(whole), *line = text;

	documented = 0;
	for (; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (line[0] == '#' && line[1] == '[')
			line[0] = ' ';
		if (line[0] == '#' && line[1] >= 'a' && line[1] <= 'z') {
			line[0] = ' ';
			documented++;
		}
	}
	return text;
}

/* Of plugins that are documented, but only loaded if they are asked for. */
static const char *const on_demand[] = {"letsencrypt"};
#define ON_DEMAND (sizeof(on_demand) / sizeof(on_demand[0]))

/* extra: plugins behind those of the built-in configuration. */
static void expect_defaults(struct config *cfg, size_t extra)
{
	struct config *defaults = case_good("");
	const struct config_key *key;
	size_t i;

	for (i = 0; (key = config_key_at(i)) != NULL; i++) {
		const char *a = (const char *)cfg + key->offset,
			   *b = (const char *)defaults + key->offset;

		if (config_key_is_named(key->section))
			continue;
		if (key->type == CONFIG_TEXT) {
			if (strcmp(key->name, "plugin-dir") != 0) /* depends on PREFIX */
				cr_expect_str_eq(*(const char *const *)a, *(const char *const *)b,
				                 "%s", key->name);
		} else {
			cr_expect_eq(
			    memcmp(a, b,
			           key->type == CONFIG_NUMBER ? sizeof(int64_t) : sizeof(int)),
			    0, "%s", key->name);
		}
	}
	cr_expect_eq(cfg->n_pairs, 0);
	cr_assert_eq(cfg->n_listeners, 1);
	cr_expect_str_eq(cfg->listeners[0].name, defaults->listeners[0].name);
	cr_expect_str_eq(cfg->listeners[0].http2, defaults->listeners[0].http2);
	cr_expect_eq(cfg->listeners[0].class, defaults->listeners[0].class);
	cr_expect_eq(cfg->listeners[0].tls, defaults->listeners[0].tls);
	cr_expect_eq(cfg->listeners[0].proxy_protocol, defaults->listeners[0].proxy_protocol);
	cr_expect_eq(cfg->listeners[0].n_trusted, defaults->listeners[0].n_trusted);
	cr_assert_eq(cfg->listeners[0].n_addresses, defaults->listeners[0].n_addresses);
	cr_expect_str_eq(cfg->listeners[0].addresses[0].text,
	                 defaults->listeners[0].addresses[0].text);
	cr_assert_eq(cfg->n_plugins, defaults->n_plugins + extra);
	for (i = 0; i < extra; i++)
		cr_expect_str_eq(cfg->plugins[defaults->n_plugins + i].name, on_demand[i]);
	for (i = 0; i < defaults->n_plugins; i++) {
		cr_expect_str_eq(cfg->plugins[i].name, defaults->plugins[i].name);
		cr_expect_eq(cfg->plugins[i].enabled, defaults->plugins[i].enabled);
	}
	config_free(defaults);
}

Test(document, is_the_defaults_as_it_is)
{
	struct config *cfg = case_good(whole);

	expect_defaults(cfg, 0);
	cr_expect_not(cfg->max_connections_set);
	config_free(cfg);
}

Test(document, is_accepted_with_every_option_set)
{
	char *text = uncommented();
	struct config *cfg = case_good(text);

	expect_defaults(cfg, ON_DEMAND);
	config_free(cfg);
	free(text);
}

Test(document, has_every_key_with_its_default)
{
	const struct config_key *key;
	size_t i;

	for (i = 0; (key = config_key_at(i)) != NULL; i++) {
		char section[64];
		const char *name = key->section == CONFIG_LISTENER ? " signal"
		                   : key->section == CONFIG_PLUGIN ? " grpc"
		                   : key->section == CONFIG_PAIR   ? " example"
		                                                   : "";
		const char *value;

		snprintf(section, sizeof(section), "[%s%s]", config_key_section(key->section),
		         name);
		value = default_of(section, key->name);
		cr_assert(value, "%s %s is not documented", section, key->name);
		if (strcmp(key->name, "plugin-dir") != 0)
			cr_expect_str_eq(value, key->fallback, "%s %s", section, key->name);
	}
}

/* The comment in front of a key says whether a reload takes it. */
Test(document, says_what_a_reload_takes)
{
	const struct config_key *key;
	char line[64];
	size_t i;

	for (i = 0; (key = config_key_at(i)) != NULL; i++) {
		const char *at, *p, *says = NULL;

		snprintf(line, sizeof(line), "\n#%s =", key->name);
		cr_assert(at = strstr(whole, line));
		for (p = whole; (p = strstr(p, "reload: ")) != NULL && p < at; p++)
			says = p + strlen("reload: ");
		cr_assert(says);
		cr_expect_eq(strncmp(says, "yes", 3) == 0, key->reloadable, "%s", key->name);
	}
}

/* --- the keys of the plugins, as their init() asks for them --------------------------------- */

static char section_of_plugin[64];

/* The documented default. */
static const char *ask(const char *key)
{
	const char *text = default_of(section_of_plugin, key);

	asked++;
	cr_assert(text, "%s %s is not documented", section_of_plugin, key);
	return text;
}

static void expect_key(const char *key, enum config_unit unit, int64_t value)
{
	const char *text = ask(key);
	int64_t says = -1;

	cr_expect_eq(config_value_number(text, unit, INT64_MIN, INT64_MAX, &says), 0);
	cr_expect_eq(says, value, "%s", key);
}

static int ask_int(struct nbs_host *h, const char *key, int64_t min, int64_t max, int64_t *value)
{
	(void)h, (void)min, (void)max;
	expect_key(key, CONFIG_COUNT, *value);
	return 0;
}

static int ask_duration(struct nbs_host *h, const char *key, int64_t min, int64_t max,
                        int64_t *value)
{
	(void)h, (void)min, (void)max;
	expect_key(key, CONFIG_DURATION, *value);
	return 0;
}

static int ask_size(struct nbs_host *h, const char *key, int64_t min, int64_t max, int64_t *value)
{
	(void)h, (void)min, (void)max;
	expect_key(key, CONFIG_SIZE, *value);
	return 0;
}

static int ask_bool(struct nbs_host *h, const char *key, int *value)
{
	const char *text = ask(key);
	bool says = false;

	(void)h;
	cr_expect_eq(config_value_bool(text, &says), 0);
	cr_expect_eq(says, *value != 0, "%s", key);
	return 0;
}

static int ask_str(struct nbs_host *h, const char *key, const char **value)
{
	const char *text = ask(key);

	(void)h;
	cr_expect_str_eq(text, *value ? *value : "", "%s", key);
	return 0;
}

static int take_metric(struct nbs_host *h, const struct nbs_metric_desc *d, struct nbs_metric **m)
{
	(void)h, (void)d;
	*m = NULL;
	return 0;
}

static int take_service(struct nbs_host *h, const struct nbs_service *s, void *arg)
{
	(void)h, (void)s, (void)arg;
	return 0;
}

static int take_path(struct nbs_host *h, const struct nbs_ws_path *p, void *arg)
{
	(void)h, (void)p, (void)arg;
	return 0;
}

static int take_route(struct nbs_host *h, const struct nbs_route *route, void *arg)
{
	(void)h, (void)route, (void)arg;
	return 0;
}

static int take_listener(struct nbs_host *h, const struct nbs_listener *listener)
{
	(void)h, (void)listener;
	return 0;
}

static int take_command(struct nbs_host *h, const struct nbs_command *command, void *arg)
{
	(void)h, (void)command, (void)arg;
	return 0;
}

static void say_nobody(struct nbs_call *call, const char *fmt, ...)
{
	(void)call, (void)fmt;
}

static int give_no_flag(struct nbs_host *h, const char *option, const char *key)
{
	(void)h, (void)option, (void)key;
	return -ENOENT;
}

static void say_limits(struct nbs_host *h, struct nbs_limits *limits)
{
	(void)h, (void)limits;
}

static void say_nothing(struct nbs_host *h, enum nbs_level level, const char *fmt, ...)
{
	(void)h, (void)level, (void)fmt;
}

static void start_once(const char *name)
{
	struct nbs_host host = {.size = sizeof(host),
	                        .abi = NBS_ABI,
	                        .log = say_nothing,
	                        .limits = say_limits,
	                        .conf_str = ask_str,
	                        .conf_int = ask_int,
	                        .conf_bool = ask_bool,
	                        .conf_duration = ask_duration,
	                        .conf_size = ask_size,
	                        .metric_register = take_metric,
	                        .service_register = take_service,
	                        .ws_register = take_path,
	                        .route_register = take_route,
	                        .listener_register = take_listener,
	                        .conf_flag = give_no_flag,
	                        .command_register = take_command,
	                        .call_print = say_nobody};
	const char *b = getenv("B");
	const struct nbs_plugin *plugin;
	unsigned before = asked;
	char path[256];
	void *so, *self;

	snprintf(section_of_plugin, sizeof(section_of_plugin), "[plugin %s]", name);
	snprintf(path, sizeof(path), "%s/plugins/%s.so", b ? b : "build", name);
	so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	cr_assert(so, "%s", dlerror());
	cr_assert(plugin = dlsym(so, "nbs_plugin_entry"));
	cr_assert_eq(plugin->init(&host, &self), 0);
	plugin->destroy(self);
	cr_expect_gt(asked, before, "%s asked for no key", name);
}

Test(document, has_every_key_of_the_plugins_with_its_default)
{
	struct config *cfg = case_good("");
	const struct config_key *key;
	unsigned others = 0;
	size_t i;

	for (i = 0; i < cfg->n_plugins; i++)
		start_once(cfg->plugins[i].name);
	for (i = 0; i < ON_DEMAND; i++)
		start_once(on_demand[i]);
	config_free(cfg);
	for (i = 0; (key = config_key_at(i)) != NULL; i++)
		others++;
	free(uncommented());
	cr_expect_eq(documented, others + asked, "%u documented, %u and %u of plugins are accepted",
	             documented, others, asked);
}
