/*
 * Reads a configuration file once, so that the strict pass and iniparser see the same bytes.
 */
#include "config_file.h"
#include "config_fault.h"
#include "read_whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(struct config_faults *faults, const char *file, int err)
{
	if (err == EACCES || err == EPERM)
		config_fault(faults, file, "cannot be read: %s (as uid %u, gid %u)", strerror(err),
		             (unsigned)geteuid(), (unsigned)getegid());
	else
		config_fault(faults, file, "cannot be read: %s", strerror(err));
	return -err;
}

/* A FIFO or socket would be empty at the next reload; /dev/null is an empty file to all. */
static int open_regular(const char *file, struct config_faults *faults)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return refuse(faults, file, errno);
	if (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode)))
		return fd;
	config_fault(faults, file, "expected a file, it is %s",
	             S_ISDIR(st.st_mode) ? "a directory" : "of another kind");
	close(fd);
	return -EINVAL;
}

int config_file_read(const char *file, size_t max, char **text, size_t *len,
                     struct config_faults *faults)
{
	char *bytes = malloc(max + 2);
	ssize_t n;
	int fd, r = -ENOMEM;

	if (!bytes)
		return r;
	if ((r = fd = open_regular(file, faults)) < 0)
		goto err0;
	n = read_whole(fd, bytes, max + 1); /* to know a longer one */
	close(fd);
	if (n < 0) {
		r = refuse(faults, file, (int)-n);
		goto err0;
	}
	if ((size_t)n > max) {
		config_fault(faults, file, "expected at most %zu KiB, it is longer", max / 1024);
		r = -EFBIG;
		goto err0;
	}
	bytes[n] = '\0';
	*text = bytes;
	*len = (size_t)n;
	return 0;
err0:
	free(bytes);
	return r;
}

int config_file_in_memory(const char *text, size_t len, char name[static CONFIG_FILE_NAME_MAX],
                          struct config_faults *faults)
{
	int fd = memfd_create("signal.ini", MFD_CLOEXEC);
	size_t done = 0;
	ssize_t n;

	if (fd < 0)
		return refuse(faults, "a file in memory", errno);
	while (done < len) {
		n = write(fd, text + done, len - done);
		if (n < 0 && errno != EINTR)
			goto err0;
		done += n > 0 ? (size_t)n : 0;
	}
	snprintf(name, CONFIG_FILE_NAME_MAX, "/proc/self/fd/%d", fd);
	if (access(name, R_OK) == 0)
		return fd;
err0:
	refuse(faults, "a file in memory, through /proc", errno);
	close(fd);
	return -EIO;
}
