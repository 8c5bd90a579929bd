/* file.c - see file.h */
#include "engine/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/io.h"

int path_join(char *out, size_t size, const char *dir, const char *name, struct err *e)
{
	if ((size_t)snprintf(out, size, "%s/%s", dir, name) >= size)
		return err_set(e, ERR_CANTCREAT, "%s/%s: path too long", dir, name);
	return 0;
}

/* ERR_NOINPUT: the file is not there or not for us; anything else is the machine's fault. */
static int cannot_read(struct err *e, const char *path)
{
	static const int absent[] = {ENOENT, ENOTDIR, EACCES, EPERM, EISDIR, ELOOP, ENAMETOOLONG, ENXIO};
	enum err_code code = ERR_IO;

	for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++)
		if (errno == absent[i])
			code = ERR_NOINPUT;
	return err_set(e, code, "%s: %s", path, strerror(errno));
}

/* Everything from fd into a block that grows; at most cap bytes. */
static int read_all(int fd, char **bytes, size_t *n, const char *path, size_t cap, struct err *e)
{
	size_t room = 0;

	for (*n = 0;;) {
		ssize_t r;

		if (*n + 1 >= room) {
			char *more = realloc(*bytes, room = room ? 2 * room : 1 << 16);

			if (!more)
				return err_set(e, ERR_NOMEM, "%s: out of memory", path);
			*bytes = more;
		}
		r = io->read(fd, *bytes + *n, room - *n - 1);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return cannot_read(e, path);
		if (!r)
			break;
		*n += (size_t)r;
		if (*n > cap)
			return err_set(e, ERR_DATA, "%s: larger than %zu bytes", path, cap);
	}
	(*bytes)[*n] = 0;
	return 0;
}

static int read_file(char **bytes, size_t *n, const char *path, size_t cap, bool maybe, struct err *e)
{
	int fd = io->open(path, O_RDONLY | O_CLOEXEC, 0);
	int rc;

	*bytes = NULL;
	*n = 0;
	if (fd < 0)
		return maybe && (errno == ENOENT || errno == ENOTDIR) ? 0 : cannot_read(e, path);
	rc = read_all(fd, bytes, n, path, cap, e);
	io->close(fd);
	if (rc) {
		free(*bytes);
		*bytes = NULL;
	}
	return rc;
}

int file_read(char **bytes, size_t *n, const char *path, size_t cap, struct err *e)
{
	return read_file(bytes, n, path, cap, false, e);
}

int file_read_maybe(char **bytes, size_t *n, const char *path, size_t cap, struct err *e)
{
	return read_file(bytes, n, path, cap, true, e);
}

static int io_failed(struct err *e, const char *path)
{
	return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
}

static int sync_directory_of(const char *path, struct err *e)
{
	char copy[PATH_MAX];
	int rc = 0;
	int fd;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = io->open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0 || io->fsync(fd))
		rc = io_failed(e, path);
	if (fd >= 0)
		io->close(fd);
	return rc;
}

/* A disk without room for a name (no inodes) is full, too. */
static int cannot_create(struct err *e, const char *path)
{
	bool full = errno == ENOSPC || errno == EDQUOT || errno == EIO;

	return err_set(e, full ? ERR_IO : ERR_CANTCREAT, "%s: %s", path, strerror(errno));
}

/* Creates a temp file beside path, its name in temp; a name left over from a killed process is passed by. */
static int create_temp(char temp[PATH_MAX], const char *path, struct err *e)
{
	static atomic_uint serial;
	int fd = -1;

	for (int tries = 0; fd < 0 && tries < 100; tries++) {
		unsigned k = atomic_fetch_add(&serial, 1);

		if (snprintf(temp, PATH_MAX, "%s.%ld-%u.tmp", path, (long)getpid(), k) >= PATH_MAX)
			return err_set(e, ERR_CANTCREAT, "%s: path too long", path);
		fd = io->open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	return fd >= 0 ? fd : cannot_create(e, path);
}

static int write_failed(const char *path, const struct iovec *piece, int n, struct err *e)
{
	const char *why = strerror(errno);
	size_t bytes = 0;

	for (int i = 0; i < n; i++)
		bytes += piece[i].iov_len;
	return err_set(e, ERR_IO, "%s: %s (%zu bytes needed)", path, why, bytes);
}

/* A whole, synced temp file beside path; its name in temp. */
static int write_temp(char temp[PATH_MAX], const char *path, const struct iovec *piece, int n, struct err *e)
{
	int fd = create_temp(temp, path, e);
	int rc = 0;

	if (fd < 0)
		return fd;
	for (int i = 0; i < n && !rc; i++)
		if (io_write_all(fd, piece[i].iov_base, piece[i].iov_len))
			rc = write_failed(path, piece, n, e);
	if (!rc && io->fsync(fd))
		rc = write_failed(path, piece, n, e);
	if (io->close(fd) && !rc)
		rc = write_failed(path, piece, n, e);
	if (rc)
		io->unlink(temp);
	return rc;
}

int file_replace_pieces(const char *path, const struct iovec *piece, int n, struct err *e)
{
	char temp[PATH_MAX];
	int rc = write_temp(temp, path, piece, n, e);

	if (rc)
		return rc;
	if (io->rename(temp, path)) {
		rc = cannot_create(e, path);
		io->unlink(temp);
		return rc;
	}
	return sync_directory_of(path, e);
}

int file_replace(const char *path, const void *bytes, size_t n, struct err *e)
{
	return file_replace_pieces(path, &(struct iovec){(void *)(uintptr_t)bytes, n}, 1, e);
}

/* ---- piece by piece ---------------------------------------------------------------------------------------- */

int file_begin(struct file_writer *w, const char *path, struct err *e)
{
	int fd = -1;

	w->fd = -1;
	if ((size_t)snprintf(w->path, sizeof(w->path), "%s", path) >= sizeof(w->path))
		return err_set(e, ERR_CANTCREAT, "%s: path too long", path);
	fd = create_temp(w->temp, path, e);
	if (fd < 0)
		return fd;
	w->fd = fd;
	return 0;
}

int file_add(struct file_writer *w, const void *bytes, size_t n, struct err *e)
{
	return io_write_all(w->fd, bytes, n) ? write_failed(w->path, &(struct iovec){.iov_len = n}, 1, e) : 0;
}

int file_put(struct file_writer *w, const void *bytes, size_t n, int64_t offset, struct err *e)
{
	if (lseek(w->fd, offset, SEEK_SET) < 0)
		return io_failed(e, w->path);
	return file_add(w, bytes, n, e);
}

/* Not by way of `io`: nothing depends on it, and no power cut or failure can tell. */
void file_start_writing(int fd)
{
	if (sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE))
		errno = 0; /* a file system that cannot: the fsync does it all */
}

/* The temp file, synced and closed. */
static int seal(struct file_writer *w, struct err *e)
{
	int rc = io->fsync(w->fd) ? io_failed(e, w->path) : 0;

	if (io->close(w->fd) && !rc)
		rc = io_failed(e, w->path);
	w->fd = -1;
	if (rc)
		io->unlink(w->temp);
	return rc;
}

int file_settle(struct file_writer *w, struct err *e)
{
	int rc = seal(w, e);

	if (!rc && io->rename(w->temp, w->path)) {
		rc = cannot_create(e, w->path);
		io->unlink(w->temp);
	}
	return rc;
}

int file_end(struct file_writer *w, struct err *e)
{
	int rc = file_settle(w, e);

	return rc ? rc : sync_directory_of(w->path, e);
}

int file_publish(struct file_writer *w, bool *won, struct err *e)
{
	int rc = seal(w, e);

	*won = false;
	if (rc)
		return rc;
	rc = sync_directory_of(w->path, e); /* before path is seen, temp is there to stay */
	if (rc) {
		io->unlink(w->temp);
		return rc;
	}
	*won = !io->link(w->temp, w->path);
	if (!*won && errno != EEXIST)
		rc = io_failed(e, w->path);
	if (!rc)
		rc = sync_directory_of(w->path, e);
	if (rc && *won) { /* a name that a power cut may take back is not published */
		io->unlink(w->path);
		*won = false;
	}
	io->unlink(w->temp); /* last: until path is there to stay, temp stands for it */
	return rc;
}

void file_drop(struct file_writer *w)
{
	if (w->fd < 0)
		return;
	io->close(w->fd);
	w->fd = -1;
	io->unlink(w->temp);
}
