/* io.c - see io.h */
#include "engine/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* open() is variadic: a pointer to it would pass its mode another way. */
static int open_file(const char *path, int flags, mode_t mode)
{
	return open(path, flags, mode);
}

const struct io_ops io_system = {
	.open = open_file,
	.close = close,
	.read = read,
	.pread = pread,
	.write = write,
	.ftruncate = ftruncate,
	.fsync = fsync,
	.rename = rename,
	.link = link,
	.unlink = unlink,
	.mkdir = mkdir,
};
const struct io_ops *io = &io_system;

int io_write_all(int fd, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n) {
		ssize_t w = io->write(fd, at, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		at += w;
		n -= (size_t)w;
	}
	return 0;
}
