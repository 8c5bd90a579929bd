/* weights_safetensors.c - safetensors in: a header checked rule by rule, and the values behind it (see weights_file.h) */
#include "engine/net/weights_file.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/input.h"

#define HEADER_MAX 100000000 /* the format's own cap */
#define VALUES_MAX 2000000   /* of JSON in the header: bounds what parsing it may cost */
#define METADATA   "__metadata__"

struct safetensors {
	json_t *header;
	int64_t data_at; /* where the data part begins */
};

static struct safetensors *own(const struct reading *r)
{
	return r->file;
}

/* ---- the header -------------------------------------------------------------------------------------------- */

/* A non-negative whole number. */
static bool is_size(const json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) >= 0;
}

static int read_type(struct entry *t, const json_t *v, const struct reading *r, struct err *e)
{
	const char *word = json_string_value(v);
	char text[SHOWN_MAX];

	if (!word)
		return BAD_TENSOR(r, t->name, e, "no string 'dtype'");
	t->type = dtype_find(word);
	if (!t->type)
		return BAD_TENSOR(r, t->name, e, "dtype '%s' is not known (F32, F16, BF16 and F64 are read)",
				  shown(text, word));
	return 0;
}

static int read_shape(struct entry *t, const json_t *v, const struct reading *r, struct err *e)
{
	size_t rank = json_array_size(v);

	if (!json_is_array(v))
		return BAD_TENSOR(r, t->name, e, "no list 'shape'");
	if (rank > TENSOR_MAX_RANK)
		return BAD_TENSOR(r, t->name, e, "%zu dimensions, at most %d", rank, TENSOR_MAX_RANK);
	t->rank = (int)rank;
	t->n = 1;
	for (int i = 0; i < t->rank; i++) {
		const json_t *size = json_array_get(v, (size_t)i);

		if (!is_size(size))
			return BAD_TENSOR(r, t->name, e, "'shape' holds something else than whole numbers from 0 up");
		t->shape[i] = json_integer_value(size);
		if (__builtin_mul_overflow(t->n, t->shape[i], &t->n))
			return BAD_TENSOR(r, t->name, e, "the product of 'shape' is over 2^63");
	}
	return 0;
}

static int read_offsets(struct entry *t, const json_t *v, const struct reading *r, struct err *e)
{
	const json_t *begin = json_array_get(v, 0);
	const json_t *end = json_array_get(v, 1);
	int64_t room = r->size - own(r)->data_at;
	int64_t bytes;

	if (json_array_size(v) != 2 || !is_size(begin) || !is_size(end))
		return BAD_TENSOR(r, t->name, e, "'data_offsets' is not a pair of whole numbers from 0 up");
	t->begin = json_integer_value(begin);
	t->end = json_integer_value(end);
	if (t->begin > t->end)
		return BAD_TENSOR(r, t->name, e, "data_offsets [%" PRId64 ", %" PRId64 "] run backwards", t->begin,
				  t->end);
	if (t->end > room)
		return BAD_TENSOR(r, t->name, e,
				  "data_offsets [%" PRId64 ", %" PRId64 "] reach beyond the file's %" PRId64
				  " bytes of data",
				  t->begin, t->end, room);
	if (__builtin_mul_overflow(t->n, (int64_t)t->type->bytes, &bytes))
		return BAD_TENSOR(r, t->name, e, "shape and dtype %s make over 2^63 bytes", t->type->name);
	if (bytes != t->end - t->begin)
		return BAD_TENSOR(r, t->name, e,
				  "data_offsets span %" PRId64 " bytes, but shape and dtype %s make %" PRId64,
				  t->end - t->begin, t->type->name, bytes);
	return 0;
}

static int read_entry(struct entry *t, const char *name, const json_t *v, const struct reading *r, struct err *e)
{
	int rc;

	t->name = name;
	if (!json_is_object(v))
		return BAD_TENSOR(r, name, e, "not an object of dtype, shape and data_offsets");
	rc = read_type(t, json_object_get(v, "dtype"), r, e);
	if (!rc)
		rc = read_shape(t, json_object_get(v, "shape"), r, e);
	if (!rc)
		rc = read_offsets(t, json_object_get(v, "data_offsets"), r, e);
	if (!rc && json_object_size(v) != 3)
		rc = BAD_TENSOR(r, name, e, "%zu keys, expected dtype, shape and data_offsets only",
				json_object_size(v));
	return rc;
}

/* "__metadata__" maps strings to strings. */
static int check_metadata(json_t *meta, const char *path, struct err *e)
{
	const char *key;
	json_t *v;

	if (!json_is_object(meta))
		return err_set(e, ERR_DATA, "%s: " METADATA " is not an object", path);
	json_object_foreach(meta, key, v) if (!json_is_string(v)) return err_set(
		e, ERR_DATA, "%s: " METADATA " holds something else than strings", path);
	return 0;
}

static int read_entries(struct reading *r, struct err *e)
{
	size_t n = json_object_size(own(r)->header);
	const char *name;
	json_t *v;
	int rc = 0;

	if (n > TENSORS_MAX)
		return err_set(e, ERR_DATA, "%s: %zu tensors, at most %d", r->path, n, TENSORS_MAX);
	r->entry = calloc(n ? n : 1, sizeof(*r->entry));
	if (!r->entry)
		return no_memory(r->path, e);
	json_object_foreach(own(r)->header, name, v)
	{
		if (!strcmp(name, METADATA))
			rc = check_metadata(v, r->path, e);
		else
			rc = read_entry(&r->entry[r->n++], name, v, r, e);
		if (rc)
			return rc;
	}
	return 0;
}

/* Parsing takes about a hundred bytes a value: count them before, so that a file cannot ask for gigabytes. */
static int check_amount(const char *text, size_t n, const char *path, struct err *e)
{
	int64_t values = 0;

	for (size_t i = 0; i < n; i++)
		values += text[i] == ',' || text[i] == '[' || text[i] == '{';
	if (values > VALUES_MAX)
		return err_set(e, ERR_DATA, "%s: the header lists more than %d values", path, VALUES_MAX);
	return 0;
}

static int parse_header(struct reading *r, const char *text, size_t n, struct err *e)
{
	json_error_t at;
	char says[JSON_ERROR_TEXT_LENGTH + 4];
	int rc;

	if (!n || text[0] != '{')
		return err_set(e, ERR_DATA, "%s: not a safetensors file: its header does not start with '{'", r->path);
	rc = check_amount(text, n, r->path, e);
	if (rc)
		return rc;
	errno = 0; /* jansson calls a failed malloc() bad syntax; malloc() itself says it here */
	own(r)->header = json_loadb(text, n, JSON_REJECT_DUPLICATES, &at);
	if (!own(r)->header && errno == ENOMEM)
		return no_memory(r->path, e);
	if (!own(r)->header)
		return err_set(e, ERR_DATA, "%s: bad JSON in the header at byte %d: %s", r->path, at.position,
			       shown(says, at.text));
	return 0;
}

/* The header's length and text, checked against the file before anything is allocated. */
static int read_header(struct reading *r, struct err *e)
{
	unsigned char word[8];
	uint64_t n = 0;
	size_t got;
	char *text;
	int rc = input_at(r->fd, r->path, word, sizeof(word), 0, &got, e);

	if (rc)
		return rc;
	if (got < sizeof(word))
		return err_set(e, ERR_DATA, "%s: not a safetensors file: %zu bytes, at least 8 expected", r->path, got);
	for (int i = 7; i >= 0; i--)
		n = n << 8 | word[i];
	if (n > HEADER_MAX)
		return err_set(e, ERR_DATA, "%s: not a safetensors file: header of %" PRIu64 " bytes, at most %d",
			       r->path, n, HEADER_MAX);
	if ((int64_t)n > r->size - 8)
		return err_set(e, ERR_DATA, "%s: header of %" PRIu64 " bytes in a file of %" PRId64, r->path, n,
			       r->size);
	text = malloc(n + 1);
	if (!text)
		return no_memory(r->path, e);
	rc = input_at(r->fd, r->path, text, n, 8, &got, e);
	if (!rc && got < n)
		rc = err_set(e, ERR_DATA, "%s: ended while it was read", r->path);
	own(r)->data_at = 8 + (int64_t)n;
	if (!rc)
		rc = parse_header(r, text, n, e);
	free(text);
	return rc;
}

/* ---- the layout: every byte belongs to one tensor ----------------------------------------------------------- */

static int by_offset(const void *a, const void *b)
{
	const struct entry *x = a;
	const struct entry *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1; /* an empty one before the one that fills the place */
	return strcmp(x->name, y->name);
}

static int check_layout(struct reading *r, struct err *e)
{
	int64_t at = 0;

	qsort(r->entry, (size_t)r->n, sizeof(*r->entry), by_offset);
	for (int i = 0; i < r->n; i++) {
		const struct entry *t = &r->entry[i];

		if (t->begin < at)
			return BAD_TENSOR(r, t->name, e,
					  "data_offsets [%" PRId64 ", %" PRId64 "] overlap another tensor's", t->begin,
					  t->end);
		if (t->begin > at)
			return BAD_TENSOR(r, t->name, e, "a hole of %" PRId64 " bytes lies before its data",
					  t->begin - at);
		at = t->end;
	}
	if (at != r->size - own(r)->data_at)
		return err_set(e, ERR_DATA, "%s: %" PRId64 " bytes after the last tensor's data", r->path,
			       r->size - own(r)->data_at - at);
	return 0;
}

/* ---- values ------------------------------------------------------------------------------------------------ */

static int read_piece(const struct reading *r, void *out, size_t n, int64_t at, struct err *e)
{
	size_t got;
	int rc = input_at(r->fd, r->path, out, n, own(r)->data_at + at, &got, e);

	if (!rc && got < n)
		rc = err_set(e, ERR_DATA, "%s: ended while it was read", r->path);
	return rc;
}

static int read_values(const struct reading *r, const struct entry *t, struct err *e)
{
	float *out = t->values;
	unsigned char piece[1 << 14];
	int64_t most = (int64_t)sizeof(piece) / t->type->bytes;
	int rc = 0;

	if (t->type->dtype == DT_F32)
		return read_piece(r, out, (size_t)(t->end - t->begin), t->begin, e);
	for (int64_t i = 0; i < t->n && !rc; i += most) {
		int64_t n = t->n - i < most ? t->n - i : most;

		rc = read_piece(r, piece, (size_t)(n * t->type->bytes), t->begin + i * t->type->bytes, e);
		if (!rc)
			dtype_convert(out + i, piece, n, t->type->dtype);
	}
	return rc;
}

static int fill(const struct reading *r, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < r->n && !rc; i++)
		if (r->entry[i].values)
			rc = read_values(r, &r->entry[i], e);
	return rc;
}

static void release(void *file)
{
	struct safetensors *s = file;

	if (s)
		json_decref(s->header);
	free(s);
}

int safetensors_list(struct reading *r, struct err *e)
{
	int rc;

	r->format = "safetensors";
	r->fill = fill;
	r->release = release;
	r->file = calloc(1, sizeof(struct safetensors));
	if (!r->file)
		return no_memory(r->path, e);
	rc = read_header(r, e);
	if (!rc)
		rc = read_entries(r, e);
	if (!rc)
		rc = check_layout(r, e);
	return rc;
}
