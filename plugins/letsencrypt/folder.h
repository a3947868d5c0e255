/*
 * A folder that only we may look into: mode 0700, files 0600 whatever the umask is.  A file is read
 * whole, and replaced as a whole or not at all.  One thread at a time, blocking.  Every failure is
 * one of storage and names the file.
 */
#ifndef LETSENCRYPT_FOLDER_H
#define LETSENCRYPT_FOLDER_H

#include "failure.h"

#include <stddef.h>

#define FOLDER_FILE_MAX (256 * 1024) /* larger ones are neither read nor written */

struct folder {
	int fd;
	char *path;
	char warning[256]; /* what had to be mended, "" if nothing */
};

/* `parent`/`name`; both are made if they are missing, and the folders above them too.  -EPERM:
 * others may write into one of the two. */
int folder_open(struct folder *d, const char *parent, const char *name, struct failure *f);
void folder_close(struct folder *d);

/* A descriptor that holds the lock until it is closed.  -EWOULDBLOCK: somebody else has it. */
int folder_lock(struct folder *d, const char *name, struct failure *f);

/* *bytes has a NUL behind its end and is to be freed with folder_free(), which wipes it; NULL if
 * there is no such file.  -ELOOP: a symbolic link; -EINVAL: no regular file; -EFBIG. */
int folder_read(struct folder *d, const char *name, char **bytes, size_t *len, struct failure *f);
void folder_free(char *bytes, size_t len);

/* Written beside it as NAME.tmp, which a crash may leave behind. */
int folder_write(struct folder *d, const char *name, const char *bytes, size_t len,
                 struct failure *f);
/* 0 if there is no such file. */
int folder_remove(struct folder *d, const char *name, struct failure *f);
/* Gives a file another name, in place of what has it.  Only a negative errno. */
int folder_rename(struct folder *d, const char *from, const char *to);
/* What a crash has left behind of folder_write(). */
void folder_clean(struct folder *d, const char *name);

#endif
