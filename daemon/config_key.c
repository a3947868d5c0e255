/*
 * The table of keys.  etc/signal.ini documents them in this order; a test compares the two.
 */
#include "config_key.h"
#include "config.h"
#include "config_address.h"
#include "config_network.h"

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
		    offsetof(base, member), NULL, NULL                         \
	}
#define WORDS(section, name, type, words, min, fallback, reloadable, base, member) \
	{                                                                          \
		section, name, type, CONFIG_COUNT, min, 0, fallback, reloadable,   \
		    offsetof(base, member), NULL, words                            \
	}
#define TEXT(section, name, min, expected, fallback, reloadable, base, member)          \
	{                                                                               \
		section, name, CONFIG_TEXT, CONFIG_COUNT, min, 0, fallback, reloadable, \
		    offsetof(base, member), expected, NULL                              \
	}
#define NUMBER(section, name, unit, min, max, fallback, reloadable, member)         \
	{                                                                           \
		section, name, CONFIG_NUMBER, unit, min, max, fallback, reloadable, \
		    offsetof(struct config, member), NULL, NULL                     \
	}

static const char *const class_words[] = {"public", "admin", "challenge", NULL};
static const char *const tls_words[] = {"auto", "required", "off", NULL}; /* enum config_tls */
static const char *const proxy_words[] = {"off", "required", NULL};
static const char *const version_words[] = {"1.2", "1.3", NULL};
#define TLS_1_2 0x0303 /* 1.3 is one more */

/* clang-format off */
static const struct config_key keys[] = {
	OTHER(CONFIG_DAEMON, "log-level", CONFIG_LEVEL, "info", RELOAD, struct config, log_level),
	TEXT(CONFIG_DAEMON, "log-file", 1, "a file name, or console", "/var/log/netbird/signal.log",
	     RESTART, struct config, log_file),
	TEXT(CONFIG_DAEMON, "user", 0, NULL, "", RESTART, struct config, user),
	TEXT(CONFIG_DAEMON, "plugin-dir", 1, "a directory", PLUGIN_DIR, RESTART,
	     struct config, plugin_dir),
	TEXT(CONFIG_DAEMON, "control-socket", 0, NULL, "/run/netbird-signal.sock", RESTART,
	     struct config, control_socket),
	NUMBER(CONFIG_DAEMON, "io-threads", CONFIG_COUNT, 0, 64, "0", RESTART, io_threads),
	NUMBER(CONFIG_DAEMON, "shutdown-grace", CONFIG_DURATION, 0, MINUTES(5), "5s",
	       RESTART, shutdown_grace),

	OTHER(CONFIG_LISTENER, "address", CONFIG_ADDRESSES, "*:10000", RESTART,
	      struct config_listener, addresses),
	OTHER(CONFIG_LISTENER, "http2", CONFIG_NAME, "", RESTART, struct config_listener, http2),
	WORDS(CONFIG_LISTENER, "class", CONFIG_CHOICE, class_words, CONFIG_PUBLIC, "public",
	      RESTART, struct config_listener, class),
	WORDS(CONFIG_LISTENER, "tls", CONFIG_CHOICE, tls_words, CONFIG_TLS_AUTO, "auto", RESTART,
	      struct config_listener, tls),
	WORDS(CONFIG_LISTENER, "proxy-protocol", CONFIG_SWITCH, proxy_words, 0, "off", RESTART,
	      struct config_listener, proxy_protocol),
	OTHER(CONFIG_LISTENER, "trusted-proxies", CONFIG_NETWORKS, "", RESTART,
	      struct config_listener, trusted),

	TEXT(CONFIG_TLS, "cert-file", 0, NULL, "", RELOAD, struct config, cert_file),
	TEXT(CONFIG_TLS, "cert-key", 0, NULL, "", RELOAD, struct config, cert_key),
	WORDS(CONFIG_TLS, "min-version", CONFIG_CHOICE, version_words, TLS_1_2, "1.2", RELOAD,
	      struct config, tls_min_version),
	TEXT(CONFIG_TLS, "client-ca", 0, NULL, "", RELOAD, struct config, client_ca),

	TEXT(CONFIG_PAIR, "cert-file", 0, NULL, "", RELOAD, struct config_pair, cert_file),
	TEXT(CONFIG_PAIR, "cert-key", 0, NULL, "", RELOAD, struct config_pair, cert_key),

	NUMBER(CONFIG_HTTP, "ping-interval", CONFIG_DURATION, 5000, MINUTES(10), "25s",
	       RESTART, ping_interval),
	NUMBER(CONFIG_HTTP, "ping-timeout", CONFIG_DURATION, 1000, MINUTES(5), "15s",
	       RESTART, ping_timeout),

	NUMBER(CONFIG_LIMITS, "max-connections", CONFIG_COUNT, 1, 1000000, "20000",
	       RELOAD, max_connections),
	NUMBER(CONFIG_LIMITS, "max-connections-per-address", CONFIG_COUNT, 0, 1000000, "0",
	       RELOAD, max_connections_per_address),
	NUMBER(CONFIG_LIMITS, "handshake-timeout", CONFIG_DURATION, 100, MINUTES(5), "10s",
	       RELOAD, handshake_timeout),
	NUMBER(CONFIG_LIMITS, "max-handshakes", CONFIG_COUNT, 1, 100000, "500",
	       RELOAD, max_handshakes),
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

	TEXT(CONFIG_PLUGIN, "file", 0, NULL, "", RESTART, struct config_plugin, path),
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
	static const char *const names[CONFIG_KINDS] = {
	    [CONFIG_DAEMON] = "daemon", [CONFIG_LISTENER] = "listener", [CONFIG_TLS] = "tls",
	    [CONFIG_PAIR] = "tls",      [CONFIG_HTTP] = "http",         [CONFIG_LIMITS] = "limits",
	    [CONFIG_PEERS] = "peers",   [CONFIG_PLUGIN] = "plugin"};

	return names[section];
}

bool config_key_is_named(enum config_section_kind section)
{
	return section == CONFIG_LISTENER || section == CONFIG_PAIR || section == CONFIG_PLUGIN;
}

/* "auto, required or off" */
static void print_words(char out[static CONFIG_WORDS], const char *const *words)
{
	size_t at = 0;

	for (; *words && at < CONFIG_WORDS; words++)
		at += (size_t)snprintf(out + at, CONFIG_WORDS - at, "%s%s", *words,
		                       !words[1]   ? ""
		                       : !words[2] ? " or "
		                                   : ", ");
}

void config_key_expected(const struct config_key *key, char out[static CONFIG_WORDS])
{
	static const char *const words[] = {
	    [CONFIG_BOOL] = "yes or no",
	    [CONFIG_NAME] = "the name of a plugin, off, or nothing",
	    [CONFIG_LEVEL] = "error, warn, info or debug",
	    [CONFIG_ADDRESSES] = CONFIG_ADDRESS_EXPECTED,
	    [CONFIG_NETWORKS] = CONFIG_NETWORK_EXPECTED,
	};

	if (key->type == CONFIG_NUMBER)
		config_value_expected(out, key->unit, key->min, key->max);
	else if (key->words)
		print_words(out, key->words);
	else
		snprintf(out, CONFIG_WORDS, "%s",
		         key->type == CONFIG_TEXT ? key->expected : words[key->type]);
}
