/* weights.c - safetensors in: header checked rule by rule, values converted to float32 */
#include "engine/net/weights.h"
#include "engine/base/input.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "weights.c reads little-endian values as they are"
#endif

#define HEADER_MAX  100000000 /* the format's own cap */
#define TENSORS_MAX 100000    /* a ResNet-152 has under 1,000 */
#define VALUES_MAX  2000000   /* of JSON in the header: bounds what parsing it may cost */
#define FILE_MAX    ((int64_t)64 << 30)
#define SHOWN       120 /* bytes of a tensor's name in an error */
#define METADATA    "__metadata__"

enum dtype { DT_F32, DT_F16, DT_BF16, DT_F64, DT_SKIPPED };

struct dtype_row {
	const char *name;
	enum dtype dtype;
	int bytes;
};

static const struct dtype_row dtypes[] = {
	{"F32", DT_F32, 4},      {"F16", DT_F16, 2},     {"BF16", DT_BF16, 2},   {"F64", DT_F64, 8},
	{"I64", DT_SKIPPED, 8},  {"I32", DT_SKIPPED, 4}, {"I16", DT_SKIPPED, 2}, {"I8", DT_SKIPPED, 1},
	{"U64", DT_SKIPPED, 8},  {"U32", DT_SKIPPED, 4}, {"U16", DT_SKIPPED, 2}, {"U8", DT_SKIPPED, 1},
	{"BOOL", DT_SKIPPED, 1},
};

struct weights {
	struct tensor *tensor;         /* in file order */
	const struct tensor **by_name; /* sorted */
	int n;
	float *values;
	char *names;
	char hash[33];
};

/* One tensor as the header tells it. */
struct entry {
	const char *name; /* the JSON object's */
	const struct dtype_row *type;
	int rank;
	int64_t shape[TENSOR_MAX_RANK];
	int64_t n;          /* elements */
	int64_t begin, end; /* in the data part */
};

/* A file being read. */
struct reading {
	const char *path;
	int fd;
	int64_t size, data_at; /* of the file; where the data part begins */
	json_t *header;
	struct entry *entry;
	int n;
};

/* ---- errors ------------------------------------------------------------------------------------------------ */

/* A tensor's name fit for one line of a terminal: control characters become '?'. */
static const char *shown(char out[SHOWN + 4], const char *name)
{
	size_t n = strlen(name);
	size_t keep = n > SHOWN ? SHOWN : n;

	while (keep < n && keep > 0 && ((unsigned char)name[keep] & 0xc0) == 0x80)
		keep--; /* not inside a UTF-8 character */
	for (size_t i = 0; i < keep; i++)
		out[i] = (unsigned char)name[i] < ' ' || name[i] == 0x7f ? '?' : name[i];
	memcpy(out + keep, n > keep ? "..." : "", n > keep ? 4 : 1);
	return out;
}

#define BAD_TENSOR(r, name, e, ...) (err_set(e, ERR_DATA, __VA_ARGS__), blame((r)->path, name, e))

/* Puts file and tensor before the rule that *e holds. */
static int blame(const char *path, const char *name, struct err *e)
{
	char text[SHOWN + 4];

	return err_prefix(e, "%s: tensor '%s'", path, shown(text, name));
}

static int no_memory(const char *path, struct err *e)
{
	return err_set(e, ERR_NOMEM, "%s: out of memory", path);
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
	char text[SHOWN + 4];

	if (!word)
		return BAD_TENSOR(r, t->name, e, "no string 'dtype'");
	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
		if (!strcmp(dtypes[i].name, word))
			t->type = &dtypes[i];
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
	int64_t room = r->size - r->data_at;
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
	size_t n = json_object_size(r->header);
	const char *name;
	json_t *v;
	int rc = 0;

	if (n > TENSORS_MAX)
		return err_set(e, ERR_DATA, "%s: %zu tensors, at most %d", r->path, n, TENSORS_MAX);
	r->entry = calloc(n ? n : 1, sizeof(*r->entry));
	if (!r->entry)
		return no_memory(r->path, e);
	json_object_foreach(r->header, name, v)
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
	r->header = json_loadb(text, n, JSON_REJECT_DUPLICATES, &at);
	if (!r->header && errno == ENOMEM)
		return no_memory(r->path, e);
	if (!r->header)
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
	r->data_at = 8 + (int64_t)n;
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
	if (at != r->size - r->data_at)
		return err_set(e, ERR_DATA, "%s: %" PRId64 " bytes after the last tensor's data", r->path,
			       r->size - r->data_at - at);
	return 0;
}

/* ---- values ------------------------------------------------------------------------------------------------ */

static float float_of_bits(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static float half_to_float(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
	uint32_t exponent = h >> 10 & 31;
	uint32_t fraction = h & 0x3ffu;
	float small;

	if (exponent == 31)
		return float_of_bits(sign | 0x7f800000u | fraction << 13);
	if (exponent)
		return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
	small = (float)fraction * 0x1p-24f; /* zero or subnormal: exact */
	return sign ? -small : small;
}

static void convert(float *out, const unsigned char *in, int64_t n, enum dtype dtype)
{
	for (int64_t i = 0; i < n; i++) {
		uint16_t half;
		double wide;

		if (dtype == DT_F64) {
			memcpy(&wide, in + 8 * i, 8);
			out[i] = (float)wide;
			continue;
		}
		memcpy(&half, in + 2 * i, 2);
		out[i] = dtype == DT_F16 ? half_to_float(half) : float_of_bits((uint32_t)half << 16);
	}
}

static int read_piece(const struct reading *r, void *out, size_t n, int64_t at, struct err *e)
{
	size_t got;
	int rc = input_at(r->fd, r->path, out, n, r->data_at + at, &got, e);

	if (!rc && got < n)
		rc = err_set(e, ERR_DATA, "%s: ended while it was read", r->path);
	return rc;
}

static int read_values(const struct reading *r, const struct entry *t, float *out, struct err *e)
{
	unsigned char piece[1 << 14];
	int64_t most = (int64_t)sizeof(piece) / t->type->bytes;
	int rc = 0;

	if (t->type->dtype == DT_F32)
		return read_piece(r, out, (size_t)(t->end - t->begin), t->begin, e);
	for (int64_t i = 0; i < t->n && !rc; i += most) {
		int64_t n = t->n - i < most ? t->n - i : most;

		rc = read_piece(r, piece, (size_t)(n * t->type->bytes), t->begin + i * t->type->bytes, e);
		if (!rc)
			convert(out + i, piece, n, t->type->dtype);
	}
	return rc;
}

/* ---- the tensors ------------------------------------------------------------------------------------------- */

/* Without the wrappers' names: "module." of DataParallel, "backbone." of a model around the network. */
static const char *bare_name(const char *name)
{
	static const char *const prefix[] = {"module.", "backbone."};

	for (int i = 0; i < 2; i++) {
		size_t n = strlen(prefix[i]);

		if (strncmp(name, prefix[i], n))
			continue;
		name += n;
		i = -1; /* one may stand before the other, or twice */
	}
	return name;
}

static int allocate(struct weights *w, const struct reading *r, struct err *e)
{
	size_t names = 1, floats = 1;

	for (int i = 0; i < r->n; i++) {
		if (r->entry[i].type->dtype == DT_SKIPPED)
			continue;
		names += strlen(bare_name(r->entry[i].name)) + 1;
		floats += (size_t)r->entry[i].n; /* bounded by the file's size: no overflow */
		w->n++;
	}
	w->tensor = calloc((size_t)w->n + 1, sizeof(*w->tensor));
	w->by_name = calloc((size_t)w->n + 1, sizeof(*w->by_name));
	w->names = malloc(names);
	w->values = malloc(floats * sizeof(*w->values));
	if (!w->tensor || !w->by_name || !w->names || !w->values)
		return no_memory(r->path, e);
	return 0;
}

static int fill(struct weights *w, const struct reading *r, struct err *e)
{
	float *values = w->values;
	char *name = w->names;
	int n = 0;
	int rc = 0;

	for (int i = 0; i < r->n && !rc; i++) {
		const struct entry *from = &r->entry[i];
		struct tensor *t = &w->tensor[n];
		const char *bare;

		if (from->type->dtype == DT_SKIPPED)
			continue;
		bare = bare_name(from->name);
		memcpy(name, bare, strlen(bare) + 1);
		*t = (struct tensor){.name = name, .rank = from->rank, .n = from->n, .data = values};
		memcpy(t->shape, from->shape, sizeof(t->shape));
		rc = read_values(r, from, values, e);
		values += from->n;
		name += strlen(name) + 1;
		w->by_name[n++] = t;
	}
	return rc;
}

static int by_name(const void *a, const void *b)
{
	const struct tensor *x = *(const struct tensor *const *)a;
	const struct tensor *y = *(const struct tensor *const *)b;

	return strcmp(x->name, y->name);
}

static int sort_names(struct weights *w, const struct reading *r, struct err *e)
{
	qsort(w->by_name, (size_t)w->n, sizeof(*w->by_name), by_name);
	for (int i = 1; i < w->n; i++)
		if (!by_name(&w->by_name[i - 1], &w->by_name[i]))
			return BAD_TENSOR(r, w->by_name[i]->name, e,
					  "there twice once the prefixes module. and backbone. are dropped");
	return 0;
}

/* In the order of names: the same tensors written in another order are the same weights. */
static int set_hash(struct weights *w, const char *path, struct err *e)
{
	XXH3_state_t *state = XXH3_createState();
	XXH128_hash_t digest;

	if (!state)
		return no_memory(path, e);
	XXH3_128bits_reset(state);
	for (int i = 0; i < w->n; i++) {
		const struct tensor *t = w->by_name[i];
		int64_t rank = t->rank;

		XXH3_128bits_update(state, t->name, strlen(t->name) + 1);
		XXH3_128bits_update(state, &rank, sizeof(rank));
		XXH3_128bits_update(state, t->shape, (size_t)t->rank * sizeof(t->shape[0]));
		XXH3_128bits_update(state, t->data, (size_t)t->n * sizeof(*t->data));
	}
	digest = XXH3_128bits_digest(state);
	XXH3_freeState(state);
	snprintf(w->hash, sizeof(w->hash), "%016" PRIx64 "%016" PRIx64, (uint64_t)digest.high64,
		 (uint64_t)digest.low64);
	return 0;
}

static int build(struct weights **out, const struct reading *r, struct err *e)
{
	struct weights *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return no_memory(r->path, e);
	rc = allocate(w, r, e);
	if (!rc)
		rc = fill(w, r, e);
	if (!rc)
		rc = sort_names(w, r, e);
	if (!rc)
		rc = set_hash(w, r->path, e);
	if (rc)
		weights_free(w);
	else
		*out = w;
	return rc;
}

int weights_open(struct weights **w, const char *path, struct err *e)
{
	struct reading r = {.path = path};
	int rc;

	*w = NULL;
	r.fd = input_open(path, &r.size, e);
	if (r.fd < 0)
		return r.fd;
	if (r.size > FILE_MAX)
		rc = err_set(e, ERR_DATA, "%s: %" PRId64 " bytes, at most %" PRId64, path, r.size, FILE_MAX);
	else
		rc = read_header(&r, e);
	if (!rc)
		rc = read_entries(&r, e);
	if (!rc)
		rc = check_layout(&r, e);
	if (!rc)
		rc = build(w, &r, e);
	free(r.entry);
	json_decref(r.header);
	close(r.fd);
	return rc;
}

void weights_free(struct weights *w)
{
	if (!w)
		return;
	free(w->tensor);
	free(w->by_name);
	free(w->names);
	free(w->values);
	free(w);
}

const char *weights_hash(const struct weights *w)
{
	return w->hash;
}

int weights_count(const struct weights *w)
{
	return w->n;
}

const struct tensor *weights_at(const struct weights *w, int i)
{
	return &w->tensor[i];
}

const struct tensor *weights_find(const struct weights *w, const char *name)
{
	struct tensor wanted = {.name = name};
	const struct tensor *key = &wanted;
	const struct tensor **found = bsearch(&key, w->by_name, (size_t)w->n, sizeof(*w->by_name), by_name);

	return found ? *found : NULL;
}
