/* Giving up root, after the ports are bound. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

/* [main] Becomes `user` with its groups, for good.  "" keeps what the process is; so does a
 * process that is not root, with a warning.  A negative errno after a line in the log. */
int privileges_drop(const char *user);
/* [main] Before: gives a file, or a link itself, to whom privileges_drop() will make us.  A
 * negative errno. */
int privileges_give_file(const char *path, const char *user);

#endif
