/* weights_write.c - safetensors out, atomically */
#include "engine/net/weights.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the header -------------------------------------------------------------------------------------------- */

/* {"dtype": "F32", "shape": [...], "data_offsets": [at, at + bytes]} */
static json_t *describe(const struct tensor *t, int64_t at)
{
	json_t *shape = json_array();

	for (int i = 0; i < t->rank && shape; i++)
		if (json_array_append_new(shape, json_integer(t->shape[i]))) {
			json_decref(shape);
			shape = NULL;
		}
	return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape, "data_offsets", (json_int_t)at,
			 (json_int_t)(at + 4 * t->n));
}

/* Takes v over, also when it fails. errno is 0 before v is made: jansson gives NULL for bad UTF-8 and no memory alike.
 */
static int add(json_t *object, const char *name, json_t *v, const char *path, struct err *e)
{
	bool twice = json_object_get(object, name) != NULL;

	if (v && !twice && !json_object_set_new(object, name, v))
		return 0;
	if (v && twice)
		json_decref(v);
	if (errno == ENOMEM)
		return err_set(e, ERR_NOMEM, "%s: out of memory", path);
	return err_set(e, ERR_SOFTWARE, "%s: cannot describe '%s': %s", path, name,
		       twice ? "there twice" : "not UTF-8");
}

static int describe_all(json_t *object, const char *path, const struct tensor *t, int n, const char *const (*meta)[2],
			int n_meta, struct err *e)
{
	json_t *pairs;
	int64_t at = 0;
	int rc;

	errno = 0;
	pairs = n_meta ? json_object() : NULL;
	rc = n_meta ? add(object, "__metadata__", pairs, path, e) : 0;
	for (int i = 0; i < n_meta && !rc; i++)
		rc = add(pairs, meta[i][0], json_string(meta[i][1]), path, e);
	for (int i = 0; i < n && !rc; i++) {
		rc = add(object, t[i].name, describe(&t[i], at), path, e);
		at += 4 * t[i].n;
	}
	return rc;
}

/* The first bytes of the file: length and header, padded with spaces so that the data begins at a multiple of 8. */
static int make_head(unsigned char **head, size_t *size, json_t *object, const char *path, struct err *e)
{
	char *text = json_dumps(object, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;
	size_t padded = (len + 7) / 8 * 8;

	*size = 8 + padded;
	*head = text ? malloc(*size) : NULL;
	if (!*head) {
		free(text);
		return err_set(e, ERR_NOMEM, "%s: out of memory", path);
	}
	for (int i = 0; i < 8; i++)
		(*head)[i] = (unsigned char)((uint64_t)padded >> 8 * i);
	memcpy(*head + 8, text, len);
	memset(*head + 8 + len, ' ', padded - len);
	free(text);
	return 0;
}

/* ---- the file ---------------------------------------------------------------------------------------------- */

static int write_all(int fd, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n) {
		ssize_t w = write(fd, at, n < 1u << 30 ? n : 1u << 30);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		at += w;
		n -= (size_t)w;
	}
	return 0;
}

static int write_failed(const char *path, size_t bytes, struct err *e)
{
	return err_set(e, ERR_IO, "%s: %s (%zu bytes needed)", path, strerror(errno), bytes);
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

static int sync_directory_of(const char *path, struct err *e)
{
	char copy[PATH_MAX];
	int rc = 0;
	int fd;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		rc = err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Writes and syncs the whole file, closes fd whatever happens. */
static int write_body(int fd, const char *path, const void *head, size_t head_size, const struct tensor *t, int n,
		      struct err *e)
{
	size_t bytes = head_size;
	int rc = 0;

	for (int i = 0; i < n; i++)
		bytes += (size_t)t[i].n * 4;
	if (write_all(fd, head, head_size))
		rc = write_failed(path, bytes, e);
	for (int i = 0; i < n && !rc; i++)
		if (write_all(fd, t[i].data, (size_t)t[i].n * 4))
			rc = write_failed(path, bytes, e);
	if (!rc && fsync(fd))
		rc = write_failed(path, bytes, e);
	if (close(fd) && !rc)
		rc = write_failed(path, bytes, e);
	return rc;
}

static int replace(const char *path, const void *head, size_t head_size, const struct tensor *t, int n, struct err *e)
{
	char temp[PATH_MAX];
	int fd = create_temp(temp, path, e);
	int rc;

	if (fd < 0)
		return fd;
	rc = write_body(fd, path, head, head_size, t, n, e);
	if (!rc && rename(temp, path))
		rc = err_set(e, ERR_CANTCREAT, "%s: %s", path, strerror(errno));
	if (rc) {
		unlink(temp);
		return rc;
	}
	return sync_directory_of(path, e);
}

int weights_write(const char *path, const struct tensor *t, int n, const char *const (*meta)[2], int n_meta,
		  struct err *e)
{
	json_t *object = json_object();
	unsigned char *head = NULL;
	size_t size = 0;
	int rc;

	if (!object)
		return err_set(e, ERR_NOMEM, "%s: out of memory", path);
	rc = describe_all(object, path, t, n, meta, n_meta, e);
	if (!rc)
		rc = make_head(&head, &size, object, path, e);
	json_decref(object);
	if (!rc)
		rc = replace(path, head, size, t, n, e);
	free(head);
	return rc;
}
