/* The order of the steps is what keeps files whole: the new bytes are on the disk before their name
 * is, and the name is before we say so. */
#include "folder.h"

#include <openssl/crypto.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHERS_WRITE (S_IWGRP | S_IWOTH)
#define OTHERS (S_IRWXG | S_IRWXO)

static int fail(struct failure *f, int err, const char *path, const char *what)
{
	return failure_set(f, FAILURE_STORAGE, -err, "%s: %s: %s", path, what, strerror(err));
}

static int fail_file(struct failure *f, int err, const struct folder *d, const char *name,
                     const char *what)
{
	return failure_set(f, FAILURE_STORAGE, -err, "%s/%s: %s: %s", d->path, name, what,
	                   strerror(err));
}

/* A folder of ours, whatever the umask takes away. */
static int make_private(int at, const char *name)
{
	if (mkdirat(at, name, 0700) < 0)
		return -errno;
	/* If this does not work, opening it says why. */
	(void)!fchmodat(at, name, 0700, AT_SYMLINK_NOFOLLOW);
	return 0;
}

/* Makes what is missing of a path, the last part private. */
static int make_path(char *path, struct failure *f)
{
	int r;

	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return fail(f, errno, path, "cannot be made");
		*slash = '/';
	}
	if ((r = make_private(AT_FDCWD, path)) < 0 && r != -EEXIST)
		return fail(f, -r, path, "cannot be made");
	return 0;
}

/* The name may be a symbolic link of the administrator's; what counts is where it leads. */
static int open_parent(char *path, struct failure *f)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int fd = open(path, flags), r;

	if (fd < 0 && errno == ENOENT) {
		if ((r = make_path(path, f)) < 0)
			return r;
		fd = open(path, flags);
	}
	return fd < 0 ? fail(f, errno, path, "cannot be opened") : fd;
}

static int check_parent(int fd, const char *path, struct failure *f)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(f, errno, path, "cannot be looked at");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return failure_set(
		    f, FAILURE_STORAGE, -EPERM,
		    "%s: belongs to uid %u, who may write there, and the daemon runs as "
		    "uid %u: chown it, or choose another ssl-dir",
		    path, (unsigned)st.st_uid, (unsigned)geteuid());
	if ((st.st_mode & OTHERS_WRITE) != 0)
		return failure_set(
		    f, FAILURE_STORAGE, -EPERM,
		    "%s: others may write there (mode %04o): chmod go-w it, or choose "
		    "another ssl-dir",
		    path, (unsigned)st.st_mode & 07777u);
	return 0;
}

/* Takes away what others may do with it, and remembers a warning. */
static int tighten(struct folder *d, int fd, const char *name, const struct stat *st, mode_t mode)
{
	if ((st->st_mode & OTHERS) == 0)
		return 0;
	if (fchmod(fd, mode) < 0)
		return -errno;
	snprintf(d->warning, sizeof(d->warning),
	         "%s%s%s: had mode %04o and was open to others; it has %04o now", d->path,
	         *name != '\0' ? "/" : "", name, (unsigned)st->st_mode & 07777u, (unsigned)mode);
	return 0;
}

static int check_own(struct folder *d, struct failure *f)
{
	struct stat st;
	int r;

	if (fstat(d->fd, &st) < 0)
		return fail(f, errno, d->path, "cannot be looked at");
	if (st.st_uid != geteuid())
		return failure_set(
		    f, FAILURE_STORAGE, -EPERM,
		    "%s: belongs to uid %u, and the daemon runs as uid %u: chown -R it", d->path,
		    (unsigned)st.st_uid, (unsigned)geteuid());
	if ((r = tighten(d, d->fd, "", &st, 0700)) < 0)
		return fail(f, -r, d->path, "is open to others, and chmod fails");
	return 0;
}

static int open_own(struct folder *d, int parent, const char *name, struct failure *f)
{
	int r = make_private(parent, name);

	if (r < 0 && r != -EEXIST)
		return fail(f, -r, d->path, "cannot be made");
	if (r == 0)
		fsync(parent); /* a folder that a crash takes away again is made again */
	d->fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->fd < 0)
		return fail(f, errno, d->path, "cannot be opened");
	return check_own(d, f);
}

int folder_open(struct folder *d, const char *parent, const char *name, struct failure *f)
{
	size_t len = strlen(parent);
	char *path;
	int fd, r;

	*d = (struct folder){.fd = -1};
	while (len > 1 && parent[len - 1] == '/')
		len--;
	if (len == 0)
		return failure_set(f, FAILURE_STORAGE, -ENOENT, "ssl-dir is empty");
	if ((path = strndup(parent, len)) == NULL ||
	    asprintf(&d->path, "%s/%s", len > 1 ? path : "", name) < 0) {
		free(path);
		d->path = NULL;
		return failure_set(f, FAILURE_STORAGE, -ENOMEM, "%s: out of memory", parent);
	}
	if ((r = fd = open_parent(path, f)) >= 0) {
		if ((r = check_parent(fd, path, f)) == 0)
			r = open_own(d, fd, name, f);
		close(fd);
	}
	free(path);
	if (r < 0)
		folder_close(d);
	return r;
}

void folder_close(struct folder *d)
{
	if (d->fd >= 0)
		close(d->fd);
	free(d->path);
	*d = (struct folder){.fd = -1};
}

int folder_lock(struct folder *d, const char *name, struct failure *f)
{
	int fd = openat(d->fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return fail_file(f, errno, d, name, "cannot be opened");
	(void)!fchmod(fd, 0600); /* a umask may have left nothing of it for the next time */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	err = errno;
	close(fd);
	if (err == EWOULDBLOCK)
		return failure_set(f, FAILURE_STORAGE, -err,
		                   "%s/%s: another daemon uses this folder", d->path, name);
	return fail_file(f, err, d, name, "cannot be locked");
}

/* Up to len bytes, less at the end of the file. */
static ssize_t read_up_to(int fd, char *bytes, size_t len)
{
	size_t at = 0;
	ssize_t n;

	while (at < len) {
		n = read(fd, bytes + at, len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		at += (size_t)n;
	}
	return (ssize_t)at;
}

static int check_file(struct folder *d, int fd, const char *name, size_t *size, struct failure *f)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return fail_file(f, errno, d, name, "cannot be looked at");
	if (!S_ISREG(st.st_mode))
		return failure_set(f, FAILURE_STORAGE, -EINVAL, "%s/%s: not a regular file",
		                   d->path, name);
	if (st.st_size > FOLDER_FILE_MAX)
		return failure_set(f, FAILURE_STORAGE, -EFBIG, "%s/%s: larger than %d bytes",
		                   d->path, name, FOLDER_FILE_MAX);
	if ((r = tighten(d, fd, name, &st, 0600)) < 0)
		return fail_file(f, -r, d, name, "is open to others, and chmod fails");
	*size = (size_t)st.st_size;
	return 0;
}

static int read_open(struct folder *d, int fd, const char *name, char **bytes, size_t *len,
                     struct failure *f)
{
	size_t size = 0;
	ssize_t n;
	int r = check_file(d, fd, name, &size, f);

	if (r < 0)
		return r;
	if ((*bytes = OPENSSL_malloc(size + 1)) == NULL)
		return fail_file(f, ENOMEM, d, name, "cannot be read");
	if ((n = read_up_to(fd, *bytes, size)) < 0) {
		folder_free(*bytes, size);
		*bytes = NULL;
		return fail_file(f, (int)-n, d, name, "cannot be read");
	}
	memset(*bytes + n, 0, size + 1 - (size_t)n);
	*len = (size_t)n;
	return 0;
}

int folder_read(struct folder *d, const char *name, char **bytes, size_t *len, struct failure *f)
{
	/* O_NONBLOCK: opening a FIFO would wait for its writer. */
	int fd = openat(d->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r;

	*bytes = NULL;
	*len = 0;
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && errno == ELOOP)
		return failure_set(f, FAILURE_STORAGE, -ELOOP, "%s/%s: is a symbolic link", d->path,
		                   name);
	if (fd < 0)
		return fail_file(f, errno, d, name, "cannot be opened");
	r = read_open(d, fd, name, bytes, len, f);
	close(fd);
	return r;
}

void folder_free(char *bytes, size_t len)
{
	OPENSSL_clear_free(bytes, len);
}

static int write_all(int fd, const char *bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* nothing, and no reason why: a disk that is full in another way */
			return n < 0 ? -errno : -ENOSPC;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The new bytes, on the disk, under another name. */
static int write_beside(struct folder *d, const char *beside, const char *bytes, size_t len)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd, r = 0;

	if (unlinkat(d->fd, beside, 0) < 0 && errno != ENOENT)
		return -errno;
	if ((fd = openat(d->fd, beside, flags, 0600)) < 0)
		return -errno;
	if (fchmod(fd, 0600) < 0 || (r = write_all(fd, bytes, len)) < 0 || fsync(fd) < 0)
		r = r < 0 ? r : -errno;
	if (close(fd) < 0 && r == 0 && errno != EINTR)
		r = -errno;
	return r;
}

/* Not every file system can do it for folders; those that cannot have nothing to lose here. */
static int sync_names(struct folder *d)
{
	return fsync(d->fd) < 0 && errno != EINVAL ? -errno : 0;
}

int folder_write(struct folder *d, const char *name, const char *bytes, size_t len,
                 struct failure *f)
{
	char beside[64];
	int r;

	snprintf(beside, sizeof(beside), "%s.tmp", name);
	if (len > FOLDER_FILE_MAX)
		return failure_set(f, FAILURE_STORAGE, -EFBIG,
		                   "%s/%s: would be larger than %d bytes", d->path, name,
		                   FOLDER_FILE_MAX);
	if ((r = write_beside(d, beside, bytes, len)) < 0)
		goto err;
	if (renameat(d->fd, beside, d->fd, name) < 0) {
		r = -errno;
		goto err;
	}
	/* Here the new file stands; but a loss of power may bring the old one back. */
	if ((r = sync_names(d)) < 0)
		return fail_file(f, -r, d, name, "is written, but perhaps not for good");
	return 0;
err:
	unlinkat(d->fd, beside, 0);
	return fail_file(f, -r, d, name, "cannot be written");
}

int folder_remove(struct folder *d, const char *name, struct failure *f)
{
	int r = 0;

	if (unlinkat(d->fd, name, 0) < 0) {
		if (errno == ENOENT)
			return 0;
		r = -errno;
	} else {
		r = sync_names(d);
	}
	return r < 0 ? fail_file(f, -r, d, name, "cannot be removed") : 0;
}

int folder_rename(struct folder *d, const char *from, const char *to)
{
	if (renameat(d->fd, from, d->fd, to) < 0)
		return -errno;
	return sync_names(d);
}

void folder_clean(struct folder *d, const char *name)
{
	char beside[64];

	snprintf(beside, sizeof(beside), "%s.tmp", name);
	unlinkat(d->fd, beside, 0); /* if it stays, folder_write() says why it cannot write */
}
