/*
 * The configuration: built-in defaults, then the INI file, then NB_ variables, then flags.
 * A strict pass over the file comes before iniparser, which would keep the last of repeated
 * keys, cut values at ; and #, and lower names without a word.  A loaded configuration is never
 * changed; a reload loads a second one.  [main] except where said.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <netbird-signal/plugin.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct options;

#define CONFIG_FILE "/etc/netbird/signal.ini" /* without --config; need not exist */
#define CONFIG_NAME_MAX 32                    /* of a listener or plugin, with NUL */
#define CONFIG_ADDRESSES_MAX 32               /* of one listener */
#define CONFIG_FLAGS_MAX 4                    /* options of the command line for plugins */

struct config_address {
	struct sockaddr_storage sa;
	socklen_t len;
	bool any; /* "*:PORT": [::] with IPv4 as well; 0.0.0.0 on machines without IPv6 */
	char text[NBS_ADDR_MAX]; /* as it was written */
};

/* A network, for [listener NAME] trusted-proxies; see config_network.h. */
struct config_network {
	unsigned char family; /* AF_INET or AF_INET6 */
	unsigned char prefix; /* length in bits */
	unsigned char bytes[16];
};

/* [listener NAME] class, in the order of the bits NBS_PUBLIC, NBS_ADMIN, NBS_CHALLENGE. */
enum config_class { CONFIG_PUBLIC, CONFIG_ADMIN, CONFIG_CHALLENGE };

/* What http2 says for no HTTP/2 at all; no plugin may be called so. */
#define CONFIG_HTTP2_OFF "off"

enum config_tls { CONFIG_TLS_AUTO, CONFIG_TLS_REQUIRED, CONFIG_TLS_OFF };

/* [tls] and [tls NAME] */
struct config_pair {
	char name[CONFIG_NAME_MAX]; /* "" for [tls] */
	const char *cert_file, *cert_key;
};

struct config_listener {
	char name[CONFIG_NAME_MAX];
	const char *where; /* what set the addresses: "FILE:LINE", "--port", "built-in" */
	struct config_address *addresses;
	size_t n_addresses;
	const char *http2; /* which plugin takes HTTP/2; "" the first that offers it */
	enum config_class class;
	enum config_tls tls;
	bool proxy_protocol; /* required */
	struct config_network *trusted;
	size_t n_trusted;
};

/* One key of a [plugin NAME] section. */
struct config_entry {
	const char *key, *value;
	const char *where; /* "FILE:LINE" or the flag that set it */
	bool asked;        /* the plugin knows it */
};

/* An option of the command line that only a plugin can use, and that was given. */
struct config_flag {
	const char *option; /* "metrics-port" */
	const char *value;
	const char *origin; /* "--metrics-port" or "NB_METRICS_PORT" */
	bool asked;         /* a plugin took it */
};

struct config_flags {
	struct config_flag list[CONFIG_FLAGS_MAX];
	size_t n;
};

struct config_plugin {
	char name[CONFIG_NAME_MAX];
	const char *path; /* of the .so */
	bool enabled;
	struct config_entry *entries; /* all but file and enabled */
	size_t n_entries;
	unsigned n_spare;           /* entries that there is room for beyond these */
	struct config_flags *flags; /* of its configuration */
};

struct config {
	const char *file; /* NULL: the built-in defaults alone */

	/* [daemon] */
	enum nbs_level log_level;
	const char *log_file, *user, *plugin_dir, *control_socket;
	bool control_socket_set; /* by the file; otherwise the daemon can do without */
	int64_t io_threads;      /* 0: as many as processors */
	int64_t shutdown_grace;

	/* [limits]; 0 where a limit may be off */
	int64_t max_connections, max_connections_per_address, handshake_timeout, max_message_size,
	    max_handshakes;
	bool max_connections_set; /* by the file; otherwise the default, which may be lowered
	                             silently */

	/* [peers] */
	int64_t mailbox_messages, mailbox_bytes, mailbox_total_bytes, send_timeout, grace_period,
	    admission_timeout, replace_burst, replace_interval;

	/* [tls] */
	const char *cert_file, *cert_key; /* "" or the first of the pairs */
	int tls_min_version;              /* as OpenSSL numbers them: 0x0303, 0x0304 */
	const char *client_ca; /* ""; otherwise every TLS client needs a certificate of these */

	/* That of [tls], if it has one, then those of [tls NAME] in the order of the file.  Each
	 * has both files. */
	struct config_pair *pairs; /* the first is the default */
	size_t n_pairs;

	/* [http] */
	int64_t ping_interval, ping_timeout; /* of WebSockets, ms */

	struct config_listener *listeners;
	size_t n_listeners;
	struct config_plugin *plugins;
	size_t n_plugins;
	struct config_flags flags;

	struct config_store *store; /* owns every string above */
};

/*
 * Loads and checks.  Without opt->config: CONFIG_FILE if it exists, otherwise the built-in
 * defaults.  -EINVAL, -ENOENT, -EACCES, ... after one line per fault (of the first 20), each
 * naming file, line or key, and what was expected.  *out is set on success only.  Values of
 * `opt` must live as long as the configuration.
 */
int config_load(struct config **out, const struct options *opt);
void config_free(struct config *cfg);

/* The listener or plugin of that name, or NULL. */
struct config_plugin *config_plugin(struct config *cfg, const char *name);

/* The value of a plugin's key, marked as asked for; *val stays when it is missing.  -EINVAL after
 * a line that names file, key and what was expected. */
int config_plugin_str(struct config_plugin *p, const char *key, const char **val);
int config_plugin_int(struct config_plugin *p, const char *key, int64_t min, int64_t max,
                      int64_t *val);
int config_plugin_bool(struct config_plugin *p, const char *key, int *val);
int config_plugin_duration(struct config_plugin *p, const char *key, int64_t min, int64_t max,
                           int64_t *ms);
int config_plugin_size(struct config_plugin *p, const char *key, int64_t min, int64_t max,
                       int64_t *bytes);
/* From now on `key`, which is KEPT, has the value of that option, which outranks the file's.
 * -ENOENT: it was not given.  -ENOBUFS: for more keys than there are options. */
int config_plugin_flag(struct config_plugin *p, const char *option, const char *key);
/* -EINVAL and one line for each key that the plugin does not know. */
int config_plugin_unknown(const struct config_plugin *p,
                          bool (*knows)(const void *arg, const char *key), const void *arg);

/* Warns of each key whose change from `old` to `new` takes effect only after a restart.  Plugin
 * sections are left to the plugins.  Returns how many there are. */
unsigned config_warn_restart(const struct config *old, const struct config *new);
/* Whether a plugin's section says something else now. */
bool config_plugin_changed(const struct config_plugin *old, const struct config_plugin *new);

#endif
