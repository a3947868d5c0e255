/*
 * The table of keys.  etc/signal.ini documents them in this order; a test compares the two.
 */
#include "config_key.h"
#include "config.h"
#include "config_address.h"

#include <stdio.h>
#include <string.h>

#define MINUTES(n) ((n)*INT64_C(60000))
#define KIB(n) ((n)*INT64_C(1024))
#define MIB(n) KIB((n)*INT64_C(1024))
#define GIB(n) MIB((n)*INT64_C(1024))

#define RELOAD true
#define RESTART false

#define OTHER(section, name, type, fallback, reloadable, base, member)         \
	{                                                                      \
		section, name, type, CONFIG_COUNT, 0, 0, fallback, reloadable, \
		    offsetof(base, member), NULL                               \
	}
#define TEXT(section, name, min, expected, fallback, base, member)                   \
	{                                                                            \
		section, name, CONFIG_TEXT, CONFIG_COUNT, min, 0, fallback, RESTART, \
		    offsetof(base, member), expected                                 \
	}
#define NUMBER(section, name, unit, min, max, fallback, reloadable, member)         \
	{                                                                           \
		section, name, CONFIG_NUMBER, unit, min, max, fallback, reloadable, \
		    offsetof(struct config, member), NULL                           \
	}

/* clang-format off */
static const struct config_key keys[] = {
	OTHER(CONFIG_DAEMON, "log-level", CONFIG_LEVEL, "info", RELOAD, struct config, log_level),
	TEXT(CONFIG_DAEMON, "log-file", 1, "a file name, or console", "/var/log/netbird/signal.log",
	     struct config, log_file),
	TEXT(CONFIG_DAEMON, "user", 0, NULL, "", struct config, user),
	TEXT(CONFIG_DAEMON, "plugin-dir", 1, "a directory", PLUGIN_DIR, struct config, plugin_dir),
	NUMBER(CONFIG_DAEMON, "io-threads", CONFIG_COUNT, 0, 64, "0", RESTART, io_threads),
	NUMBER(CONFIG_DAEMON, "shutdown-grace", CONFIG_DURATION, 0, MINUTES(5), "5s",
	       RESTART, shutdown_grace),

	OTHER(CONFIG_LISTENER, "address", CONFIG_ADDRESSES, "*:10000", RESTART,
	      struct config_listener, addresses),
	OTHER(CONFIG_LISTENER, "http2", CONFIG_NAME, "", RESTART, struct config_listener, http2),
	OTHER(CONFIG_LISTENER, "class", CONFIG_CLASS, "public", RESTART, struct config_listener, admin),

	NUMBER(CONFIG_LIMITS, "max-connections", CONFIG_COUNT, 1, 1000000, "20000",
	       RELOAD, max_connections),
	NUMBER(CONFIG_LIMITS, "max-connections-per-address", CONFIG_COUNT, 0, 1000000, "0",
	       RELOAD, max_connections_per_address),
	NUMBER(CONFIG_LIMITS, "handshake-timeout", CONFIG_DURATION, 100, MINUTES(5), "10s",
	       RELOAD, handshake_timeout),
	NUMBER(CONFIG_LIMITS, "max-message-size", CONFIG_SIZE, KIB(1), MIB(64), "4M",
	       RESTART, max_message_size),

	NUMBER(CONFIG_PEERS, "mailbox-messages", CONFIG_COUNT, 1, 65536, "256",
	       RELOAD, mailbox_messages),
	NUMBER(CONFIG_PEERS, "mailbox-bytes", CONFIG_SIZE, KIB(1), GIB(1), "8M",
	       RELOAD, mailbox_bytes),
	NUMBER(CONFIG_PEERS, "mailbox-total-bytes", CONFIG_SIZE, KIB(1), GIB(1024), "256M",
	       RELOAD, mailbox_total_bytes),
	NUMBER(CONFIG_PEERS, "send-timeout", CONFIG_DURATION, 100, MINUTES(60), "10s",
	       RELOAD, send_timeout),
	NUMBER(CONFIG_PEERS, "grace-period", CONFIG_DURATION, 0, MINUTES(5), "5s",
	       RELOAD, grace_period),
	NUMBER(CONFIG_PEERS, "admission-timeout", CONFIG_DURATION, 100, MINUTES(5), "10s",
	       RELOAD, admission_timeout),
	NUMBER(CONFIG_PEERS, "replace-burst", CONFIG_COUNT, 0, 1000, "10", RELOAD, replace_burst),
	NUMBER(CONFIG_PEERS, "replace-interval", CONFIG_DURATION, 10, MINUTES(60), "1s",
	       RELOAD, replace_interval),

	TEXT(CONFIG_PLUGIN, "file", 0, NULL, "", struct config_plugin, path),
	OTHER(CONFIG_PLUGIN, "enabled", CONFIG_BOOL, "yes", RESTART, struct config_plugin, enabled),
};
/* clang-format on */
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))
_Static_assert(N_KEYS <= CONFIG_KEYS_MAX, "CONFIG_KEYS_MAX is too small");

const struct config_key *config_key_at(size_t i)
{
	return i < N_KEYS ? &keys[i] : NULL;
}

size_t config_key_index(const struct config_key *key)
{
	return (size_t)(key - keys);
}

const struct config_key *config_key_find(enum config_section_kind section, const char *name)
{
	size_t i;

	for (i = 0; i < N_KEYS; i++) {
		if (keys[i].section == section && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

const char *config_key_section(enum config_section_kind section)
{
	static const char *const names[] = {[CONFIG_DAEMON] = "daemon",
	                                    [CONFIG_LISTENER] = "listener",
	                                    [CONFIG_LIMITS] = "limits",
	                                    [CONFIG_PEERS] = "peers",
	                                    [CONFIG_PLUGIN] = "plugin"};

	return names[section];
}

bool config_key_is_named(enum config_section_kind section)
{
	return section == CONFIG_LISTENER || section == CONFIG_PLUGIN;
}

void config_key_expected(const struct config_key *key, char out[static CONFIG_WORDS])
{
	static const char *const words[] = {
	    [CONFIG_BOOL] = "yes or no",
	    [CONFIG_NAME] = "the name of a plugin, or nothing",
	    [CONFIG_LEVEL] = "error, warn, info or debug",
	    [CONFIG_CLASS] = "public or admin",
	    [CONFIG_ADDRESSES] = CONFIG_ADDRESS_EXPECTED,
	};

	if (key->type == CONFIG_NUMBER)
		config_value_expected(out, key->unit, key->min, key->max);
	else
		snprintf(out, CONFIG_WORDS, "%s",
		         key->type == CONFIG_TEXT ? key->expected : words[key->type]);
}
