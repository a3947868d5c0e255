/*
 * The bytes of a configuration file.  [main]
 */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <stddef.h>

struct config_faults;

/* *text is malloc()ed and ended by NUL; it has at most `max` bytes.  Otherwise a negative errno
 * after a fault that says what the file is. */
int config_file_read(const char *file, size_t max, char **text, size_t *len,
                     struct config_faults *faults);
/* A close-on-exec descriptor of a file in memory that holds the text, and its name for those
 * who can only open names.  Negative errno, said. */
#define CONFIG_FILE_NAME_MAX 32
int config_file_in_memory(const char *text, size_t len, char name[static CONFIG_FILE_NAME_MAX],
                          struct config_faults *faults);

#endif
