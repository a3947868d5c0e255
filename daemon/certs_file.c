/* The bytes of a certificate's or key's file.  A key's bytes do not stay in freed memory. */
#include "certs.h"

#include "log.h"
#include "read_whole.h"

#include <openssl/crypto.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void stamp_from(struct certs_stamp *stamp, const struct stat *st)
{
	*stamp = (struct certs_stamp){.dev = st->st_dev,
	                              .ino = st->st_ino,
	                              .size = st->st_size,
	                              .mtime = st->st_mtim,
	                              .ctime = st->st_ctim};
}

void certs_file_stamp(const char *path, struct certs_stamp *stamp)
{
	struct stat st;

	if (stat(path, &st) == 0)
		stamp_from(stamp, &st);
	else
		*stamp = (struct certs_stamp){.err = -errno};
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool certs_file_same(const struct certs_stamp *a, const struct certs_stamp *b)
{
	return a->err == b->err && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}

void certs_file_free(unsigned char *bytes, size_t len)
{
	OPENSSL_clear_free(bytes, len);
}

static int check(const char *path, const struct stat *st)
{
	if (!S_ISREG(st->st_mode)) {
		log_error("tls", "%s: not a regular file", path);
		return -EINVAL;
	}
	if (st->st_size > CERTS_FILE_MAX) {
		log_error("tls", "%s: larger than %d bytes", path, CERTS_FILE_MAX);
		return -EFBIG;
	}
	return 0;
}

/* What was written while it is read shows as another stamp at the next look. */
static int read_open(int fd, const char *path, unsigned char **bytes, size_t *len,
                     struct certs_stamp *stamp)
{
	struct stat st;
	ssize_t n;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	stamp_from(stamp, &st);
	if ((r = check(path, &st)) < 0)
		return r;
	*len = (size_t)st.st_size;
	if ((*bytes = OPENSSL_malloc(*len + 1)) == NULL)
		return -ENOMEM;
	if ((n = read_whole(fd, *bytes, *len)) != (ssize_t)*len) {
		certs_file_free(*bytes, *len);
		log_error("tls", "%s: %s", path,
		          n < 0 ? strerror((int)-n) : "it became shorter while it was read");
		return n < 0 ? (int)n : -EAGAIN;
	}
	return 0;
}

int certs_file_read(const char *path, unsigned char **bytes, size_t *len, struct certs_stamp *stamp)
{
	/* O_NONBLOCK: opening a FIFO would wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r;

	if (fd < 0) {
		r = -errno;
		*stamp = (struct certs_stamp){.err = r};
		log_error("tls", "%s: %s", path, strerror(-r));
		return r;
	}
	r = read_open(fd, path, bytes, len, stamp);
	close(fd);
	return r;
}
