/*
 * Every key of the configuration, once: its section, type, range, default, whether a reload
 * takes it, and where its value goes.  [any]
 */
#ifndef CONFIG_KEY_H
#define CONFIG_KEY_H

#include "config_value.h"

/* A word in brackets may stand for two kinds, one with a name and one without. */
enum config_section_kind {
	CONFIG_DAEMON,   /* [daemon], into struct config */
	CONFIG_LISTENER, /* [listener NAME], into struct config_listener */
	CONFIG_TLS,      /* [tls], into struct config */
	CONFIG_PAIR,     /* [tls NAME], into struct config_pair */
	CONFIG_HTTP,     /* [http], into struct config */
	CONFIG_LIMITS,   /* [limits], into struct config */
	CONFIG_PEERS,    /* [peers], into struct config */
	CONFIG_PLUGIN,   /* [plugin NAME], into struct config_plugin; has keys of its own besides */
	CONFIG_KINDS
};

enum config_type {
	CONFIG_NUMBER, /* int64_t, in `unit` from min to max */
	CONFIG_BOOL,   /* bool */
	CONFIG_TEXT,   /* const char *, at least min bytes long */
	CONFIG_NAME,   /* const char *, empty or a plugin's name */
	CONFIG_LEVEL,  /* enum nbs_level */
	CONFIG_CHOICE, /* int or an enum: `min` for the first of `words`, one more for each next */
	CONFIG_SWITCH, /* bool: the second of two `words` */
	CONFIG_ADDRESSES, /* the addresses of a struct config_listener */
	CONFIG_NETWORKS   /* its trusted networks */
};

struct config_key {
	enum config_section_kind section;
	const char *name;
	enum config_type type;
	enum config_unit unit;
	int64_t min, max;
	const char *fallback; /* the default as one would write it */
	bool reloadable;
	size_t offset;
	const char *expected;     /* CONFIG_TEXT: the words for what it must be */
	const char *const *words; /* CONFIG_CHOICE, CONFIG_SWITCH: what may be written; then NULL */
};

/* NULL behind the last. */
const struct config_key *config_key_at(size_t i);
/* The place of a key in the table. */
size_t config_key_index(const struct config_key *key);
const struct config_key *config_key_find(enum config_section_kind section, const char *name);
#define CONFIG_KEYS_MAX 64

/* "limits", and whether it is the kind with a name. */
const char *config_key_section(enum config_section_kind section);
bool config_key_is_named(enum config_section_kind section);
/* The words for what the key's value must be. */
void config_key_expected(const struct config_key *key, char out[static CONFIG_WORDS]);

#endif
