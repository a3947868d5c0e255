/*
 * An INI file: its bytes, the strict pass, then iniparser for the values.
 */
#include "config_ini.h"
#include "config_fault.h"
#include "config_file.h"
#include "config_scan.h"
#include "config_store.h"

#include <errno.h>
#include <iniparser/iniparser.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool equals(const char *text, const char *p, size_t len)
{
	return strncmp(text, p, len) == 0 && text[len] == '\0';
}

struct config_section *config_ini_section(const struct config_ini *ini, const char *text,
                                          size_t len)
{
	size_t i;

	for (i = 0; i < ini->n_sections; i++) {
		if (equals(ini->sections[i].text, text, len))
			return &ini->sections[i];
	}
	return NULL;
}

struct config_entry *config_ini_entry(const struct config_section *section, const char *key,
                                      size_t len)
{
	size_t i;

	for (i = 0; i < section->n_entries; i++) {
		if (equals(section->entries[i].key, key, len))
			return &section->entries[i];
	}
	return NULL;
}

/* The array with room for one more than n; it grows by doubling. */
static void *grow(void *array, size_t n, size_t size)
{
	return (n & (n - 1)) == 0 ? reallocarray(array, n ? n * 2 : 1, size) : array;
}

struct config_section *config_ini_add_section(struct config_ini *ini, const char *text,
                                              const char *where)
{
	struct config_section *array = grow(ini->sections, ini->n_sections, sizeof(*array));

	if (!array)
		return NULL;
	ini->sections = array;
	if (!text || !where)
		return NULL;
	array[ini->n_sections] = (struct config_section){.text = text, .where = where};
	return &array[ini->n_sections++];
}

int config_ini_add_entry(struct config_ini *ini, struct config_section *section, const char *key,
                         const char *where)
{
	struct config_entry *array = grow(section->entries, section->n_entries, sizeof(*array));

	if (!array)
		return -ENOMEM;
	section->entries = array;
	if (!key || !where)
		return -ENOMEM;
	array[section->n_entries++] = (struct config_entry){.key = key, .where = where};
	ini->n_entries++;
	return 1;
}

/* Whatever iniparser has to say was said by the strict pass, with the number of the line. */
static int be_quiet(const char *fmt, ...)
{
	(void)fmt;
	return 0;
}

static int read_value(const dictionary *dict, const char *section, struct config_entry *e,
                      struct config_store *store, struct config_faults *faults)
{
	char name[3 * CONFIG_KEY_MAX];
	const char *value;

	snprintf(name, sizeof(name), "%s:%s", section, e->key);
	value = iniparser_getstring(dict, name, NULL);
	if (!value)
		config_fault(faults, e->where, "[%s] %s: iniparser does not see it", section,
		             e->key);
	e->value = config_store_print(store, "%s", value ? value : "");
	return e->value ? 0 : -ENOMEM;
}

static int read_values(struct config_ini *ini, const dictionary *dict, struct config_store *store,
                       struct config_faults *faults)
{
	size_t i, j;
	int r;

	for (i = 0; i < ini->n_sections; i++) {
		struct config_section *s = &ini->sections[i];

		for (j = 0; j < s->n_entries; j++) {
			if ((r = read_value(dict, s->text, &s->entries[j], store, faults)) < 0)
				return r;
		}
	}
	return 0;
}

static int load(dictionary **dict, const char *file, const char *text, size_t len,
                struct config_faults *faults)
{
	char name[CONFIG_FILE_NAME_MAX];
	int fd = config_file_in_memory(text, len, name, faults);

	if (fd < 0)
		return fd;
	iniparser_set_error_callback(be_quiet);
	*dict = iniparser_load(name);
	iniparser_set_error_callback(NULL);
	close(fd);
	if (*dict)
		return 0;
	config_fault(faults, file, "iniparser cannot read it");
	return -EINVAL;
}

int config_ini_read(struct config_ini *ini, const char *file, struct config_store *store,
                    struct config_faults *faults)
{
	dictionary *dict = NULL;
	char *text;
	size_t len;
	int r;

	*ini = (struct config_ini){0};
	if ((r = config_file_read(file, CONFIG_FILE_MAX, &text, &len, faults)) < 0)
		return r;
	if ((r = config_scan(ini, file, text, &len, store, faults)) == 0 &&
	    (r = load(&dict, file, text, len, faults)) == 0)
		r = read_values(ini, dict, store, faults);
	if (dict)
		iniparser_freedict(dict);
	free(text);
	return r;
}

void config_ini_free(struct config_ini *ini)
{
	size_t i;

	for (i = 0; i < ini->n_sections; i++)
		free(ini->sections[i].entries);
	free(ini->sections);
	*ini = (struct config_ini){0};
}
