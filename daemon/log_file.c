/*
 * The descriptors of the log: a file that survives rotation, or the console.
 */
#include "log_file.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(const char *name, int err)
{
	char *copy = strdup(name);
	const char *dir = copy ? dirname(copy) : ".";
	struct stat st;

	if (err == ENOENT && stat(dir, &st) < 0 && errno == ENOENT)
		log_error("log", "%s: the directory %s does not exist (\"console\" logs to stdout)",
		          name, dir);
	else if (err == EACCES || err == EPERM)
		log_error("log", "%s: cannot be written: %s (as uid %u)", name, strerror(err),
		          (unsigned)geteuid());
	else
		log_error("log", "%s: cannot be written: %s", name, strerror(err));
	free(copy);
	return -err;
}

/*
 * A pipe or terminal that nobody reads must not stop the daemon, but O_NONBLOCK belongs to the
 * open file, which the shell shares: so it is opened once more.  Where that is not allowed, a
 * full pipe makes us wait.
 */
static int open_console(bool *is_socket)
{
	struct stat st;
	int fd = -1;

	if (fstat(STDOUT_FILENO, &st) < 0)
		return refuse("console", errno);
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		fd = open("/proc/self/fd/1",
		          O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return refuse("console", errno);
	*is_socket = S_ISSOCK(st.st_mode);
	return fd;
}

bool log_file_is_console(const char *name)
{
	return strcmp(name, "console") == 0;
}

int log_file_open(const char *name, bool *is_socket)
{
	int fd;

	if (log_file_is_console(name))
		return open_console(is_socket);
	*is_socket = false;
	/* O_NONBLOCK is for a FIFO that nobody reads. */
	fd = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	return fd < 0 ? refuse(name, errno) : fd;
}
