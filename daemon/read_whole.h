/* Reading a file in spite of signals and short reads. */
#ifndef READ_WHOLE_H
#define READ_WHOLE_H

#include <stddef.h>
#include <sys/types.h>

/* [any] Up to `size` bytes, fewer at the end of the file: how many, or a negative errno. */
ssize_t read_whole(int fd, void *bytes, size_t size);

#endif
