/* input.c - see input.h */
#include "engine/base/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/io.h"

int input_open(const char *path, int64_t *size, struct err *e)
{
	struct stat st;
	int fd = io->open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);

	if (fd < 0)
		return err_set(e, ERR_NOINPUT, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st)) {
		err_set(e, ERR_NOINPUT, "%s: %s", path, strerror(errno));
		io->close(fd);
		return ERR_NOINPUT;
	}
	if (!S_ISREG(st.st_mode)) {
		io->close(fd);
		return err_set(e, ERR_NOINPUT, "%s: %s", path,
			       S_ISDIR(st.st_mode) ? strerror(EISDIR) : "not a regular file");
	}
	*size = st.st_size;
	return fd;
}

int input_at(int fd, const char *path, void *out, size_t n, int64_t offset, size_t *got, struct err *e)
{
	const size_t piece = 1 << 30; /* Linux reads less than 2 GiB a call */

	*got = 0;
	while (*got < n) {
		size_t want = n - *got < piece ? n - *got : piece;
		ssize_t r = io->pread(fd, (char *)out + *got, want, offset + (int64_t)*got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_set(e, ERR_NOINPUT, "%s: %s", path, strerror(errno));
		if (!r)
			break;
		*got += (size_t)r;
	}
	return 0;
}
