/*
 * A plugin's file: the check before dlopen(), and the loading of one that passes it.  A truncated
 * ELF file would kill the process with SIGBUS in dlopen(), and constructors of a wrong one would
 * run.
 */
#ifndef PLUGIN_FILE_H
#define PLUGIN_FILE_H

#include <netbird-signal/plugin.h>

#include <stdint.h>

#define PLUGIN_FILE_WHY 320 /* room for a reason, with NUL; what dlopen() says is cut to it */

/*
 * [any] Reads the file as an ELF image of this machine and finds NBS_PLUGIN_NOTE in it.  0;
 * -ENOENT, -EACCES (unreadable, or writable by everybody), -ENOEXEC (no regular file, no shared
 * object of this machine, truncated, damaged, or no such note), -EPROTO (wrong magic, ABI not
 * NBS_ABI), or what reading gave.  `why` then says it in words, without the path.  *abi is what
 * the note says, 0 if that was not reached.
 */
int plugin_file_check(const char *path, uint32_t *abi, char why[static PLUGIN_FILE_WHY]);

/*
 * [main] Checks, loads for good and identifies.  0 and *entry, of which the first release's
 * fields are sound; the same file again gives the same pointer.  Errors as above, -ENOEXEC if
 * dlopen() fails, -EPROTO if the entry is missing or wrong.  `path` has a slash in it.
 */
int plugin_file_load(const char *path, const struct nbs_plugin **entry, uint32_t *abi,
                     char why[static PLUGIN_FILE_WHY]);

#endif
