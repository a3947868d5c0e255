/*
 * Opens what the log is written to, so that a write to it never waits for a reader.  [main]
 */
#ifndef LOG_FILE_H
#define LOG_FILE_H

#include <stdbool.h>

/* "console" is stdout, anything else a file for appending, created with mode 0640.  A close-on-
 * exec descriptor, *is_socket whether write(2) must be send(2); or a negative errno, said. */
int log_file_open(const char *name, bool *is_socket);
bool log_file_is_console(const char *name);

#endif
