/* file.c - see file.h */
#include "engine/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int path_join(char *out, size_t size, const char *dir, const char *name, struct err *e)
{
	if ((size_t)snprintf(out, size, "%s/%s", dir, name) >= size)
		return err_set(e, ERR_CANTCREAT, "%s/%s: path too long", dir, name);
	return 0;
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
		r = read(fd, *bytes + *n, room - *n - 1);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_set(e, ERR_NOINPUT, "%s: %s", path, strerror(errno));
		if (!r)
			break;
		*n += (size_t)r;
		if (*n > cap)
			return err_set(e, ERR_DATA, "%s: larger than %zu bytes", path, cap);
	}
	(*bytes)[*n] = 0;
	return 0;
}

int file_read(char **bytes, size_t *n, const char *path, size_t cap, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	*bytes = NULL;
	if (fd < 0)
		return err_set(e, ERR_NOINPUT, "%s: %s", path, strerror(errno));
	rc = read_all(fd, bytes, n, path, cap, e);
	close(fd);
	if (rc) {
		free(*bytes);
		*bytes = NULL;
	}
	return rc;
}

static int io_failed(struct err *e, const char *path)
{
	return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
}

static int write_all(int fd, const char *bytes, size_t n)
{
	while (n) {
		ssize_t w = write(fd, bytes, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		bytes += w;
		n -= (size_t)w;
	}
	return 0;
}

static int sync_directory_of(const char *path, struct err *e)
{
	char copy[PATH_MAX];
	int rc = 0;
	int fd;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		rc = io_failed(e, path);
	if (fd >= 0)
		close(fd);
	return rc;
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
		fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	return fd >= 0 ? fd : err_set(e, ERR_CANTCREAT, "%s: %s", path, strerror(errno));
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
		if (write_all(fd, piece[i].iov_base, piece[i].iov_len))
			rc = write_failed(path, piece, n, e);
	if (!rc && fsync(fd))
		rc = write_failed(path, piece, n, e);
	if (close(fd) && !rc)
		rc = write_failed(path, piece, n, e);
	if (rc)
		unlink(temp);
	return rc;
}

int file_replace_pieces(const char *path, const struct iovec *piece, int n, struct err *e)
{
	char temp[PATH_MAX];
	int rc = write_temp(temp, path, piece, n, e);

	if (rc)
		return rc;
	if (rename(temp, path)) {
		rc = err_set(e, ERR_CANTCREAT, "%s: %s", path, strerror(errno));
		unlink(temp);
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
	return write_all(w->fd, bytes, n) ? io_failed(e, w->path) : 0;
}

int file_put(struct file_writer *w, const void *bytes, size_t n, int64_t offset, struct err *e)
{
	if (lseek(w->fd, offset, SEEK_SET) < 0)
		return io_failed(e, w->path);
	return file_add(w, bytes, n, e);
}

int file_end(struct file_writer *w, struct err *e)
{
	int rc = 0;

	if (fsync(w->fd))
		rc = io_failed(e, w->path);
	if (close(w->fd) && !rc)
		rc = io_failed(e, w->path);
	w->fd = -1;
	if (!rc && rename(w->temp, w->path))
		rc = err_set(e, ERR_CANTCREAT, "%s: %s", w->path, strerror(errno));
	if (rc) {
		unlink(w->temp);
		return rc;
	}
	return sync_directory_of(w->path, e);
}

void file_drop(struct file_writer *w)
{
	if (w->fd < 0)
		return;
	close(w->fd);
	w->fd = -1;
	unlink(w->temp);
}

int file_publish(const char *path, const void *bytes, size_t n, int *won, struct err *e)
{
	char temp[PATH_MAX];
	int rc = write_temp(temp, path, &(struct iovec){(void *)(uintptr_t)bytes, n}, 1, e);

	*won = 0;
	if (rc)
		return rc;
	*won = !link(temp, path);
	if (!*won && errno != EEXIST)
		rc = io_failed(e, path);
	unlink(temp);
	return rc ? rc : sync_directory_of(path, e);
}
