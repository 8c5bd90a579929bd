/* weights_write.c - safetensors out, atomically */
#include "engine/net/weights.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"

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
	char *text;
	size_t len, padded;

	errno = 0;
	text = json_dumps(object, JSON_COMPACT);
	len = text ? strlen(text) : 0;
	padded = (len + 7) / 8 * 8;
	*size = 8 + padded;
	*head = text && errno != ENOMEM ? malloc(*size) : NULL; /* jansson leaves out what it had no room for */
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

static int write_file(const char *path, void *head, size_t head_size, const struct tensor *t, int n, struct err *e)
{
	struct iovec *piece = calloc((size_t)n + 1, sizeof(*piece));
	int rc;

	if (!piece)
		return err_set(e, ERR_NOMEM, "%s: out of memory", path);
	piece[0] = (struct iovec){head, head_size};
	for (int i = 0; i < n; i++)
		piece[i + 1] = (struct iovec){(void *)(uintptr_t)t[i].data, (size_t)t[i].n * sizeof(float)};
	rc = file_replace_pieces(path, piece, n + 1, e);
	free(piece);
	return rc;
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
		rc = write_file(path, head, size, t, n, e);
	free(head);
	return rc;
}
