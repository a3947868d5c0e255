/* Reading a file in spite of signals and short reads. */
#include "read_whole.h"

#include <errno.h>
#include <unistd.h>

ssize_t read_whole(int fd, void *bytes, size_t size)
{
	size_t at = 0;
	ssize_t n;

	while (at < size) {
		n = read(fd, (char *)bytes + at, size - at);
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
