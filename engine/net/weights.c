/* weights.c - weights files in: which format, the tensors' names and memory, the hash (see weights_file.h) */
#include "engine/net/weights_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/base/input.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "weights files hold little-endian values, which are taken as they are"
#endif

#define FILE_MAX ((int64_t)64 << 30)

struct weights {
	struct weights_info info;
	struct tensor *tensor;         /* in file order */
	const struct tensor **by_name; /* sorted */
	int n;
	float *values;
	char *names;
	char hash[33];
};

/* ---- types of elements ------------------------------------------------------------------------------------- */

static const struct dtype_row dtypes[] = {
	{"F32", "FloatStorage", DT_F32, 4},
	{"F16", "HalfStorage", DT_F16, 2},
	{"BF16", "BFloat16Storage", DT_BF16, 2},
	{"F64", "DoubleStorage", DT_F64, 8},
	{"I64", "LongStorage", DT_SKIPPED, 8},
	{"I32", "IntStorage", DT_SKIPPED, 4},
	{"I16", "ShortStorage", DT_SKIPPED, 2},
	{"I8", "CharStorage", DT_SKIPPED, 1},
	{"U64", NULL, DT_SKIPPED, 8},
	{"U32", NULL, DT_SKIPPED, 4},
	{"U16", NULL, DT_SKIPPED, 2},
	{"U8", "ByteStorage", DT_SKIPPED, 1},
	{"BOOL", "BoolStorage", DT_SKIPPED, 1},
};
#define N_DTYPES (sizeof(dtypes) / sizeof(*dtypes))

const struct dtype_row *dtype_find(const char *name)
{
	for (size_t i = 0; i < N_DTYPES; i++)
		if (!strcmp(dtypes[i].name, name))
			return &dtypes[i];
	return NULL;
}

const struct dtype_row *dtype_of_storage(const char *storage)
{
	for (size_t i = 0; i < N_DTYPES; i++)
		if (dtypes[i].storage && !strcmp(dtypes[i].storage, storage))
			return &dtypes[i];
	return NULL;
}

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

void dtype_convert(float *out, const unsigned char *in, int64_t n, enum dtype dtype)
{
	if (dtype == DT_F32) {
		memcpy(out, in, (size_t)n * sizeof(*out));
		return;
	}
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

/* ---- errors ------------------------------------------------------------------------------------------------ */

const char *shown(char out[SHOWN_MAX], const char *name)
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

int blame(const char *path, const char *name, struct err *e)
{
	char text[SHOWN_MAX];

	return err_prefix(e, "%s: tensor '%s'", path, shown(text, name));
}

int no_memory(const char *path, struct err *e)
{
	return err_set(e, ERR_NOMEM, "%s: out of memory", path);
}

/* ---- the tensors ------------------------------------------------------------------------------------------- */

/* Without the wrappers' names: "module." of DataParallel, "backbone." or "model." of a model around the network. */
static const char *bare_name(const char *name)
{
	static const char *const prefix[] = {"module.", "backbone.", "model."};

	for (int i = 0; i < (int)(sizeof(prefix) / sizeof(*prefix)); i++) {
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

/* Gives every tensor its name and its place in the values. */
static void place(struct weights *w, struct reading *r)
{
	float *values = w->values;
	char *name = w->names;
	int n = 0;

	for (int i = 0; i < r->n; i++) {
		struct entry *from = &r->entry[i];
		struct tensor *t = &w->tensor[n];
		const char *bare;

		if (from->type->dtype == DT_SKIPPED)
			continue;
		bare = bare_name(from->name);
		memcpy(name, bare, strlen(bare) + 1);
		*t = (struct tensor){
			.name = name, .dtype = from->type->name, .rank = from->rank, .n = from->n, .data = values};
		memcpy(t->shape, from->shape, sizeof(t->shape));
		from->values = values;
		values += from->n;
		name += strlen(name) + 1;
		w->by_name[n++] = t;
	}
}

static void set_info(struct weights *w, const struct reading *r)
{
	w->info = (struct weights_info){.format = r->format, .skipped = r->n - w->n};
	if (r->under)
		snprintf(w->info.under, sizeof(w->info.under), "%s", r->under);
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
					  "there twice once the prefixes module., backbone. and model. are dropped");
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

static int build(struct weights **out, struct reading *r, struct err *e)
{
	struct weights *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return no_memory(r->path, e);
	rc = allocate(w, r, e);
	if (!rc) {
		place(w, r);
		set_info(w, r);
		rc = r->fill(r, e);
	}
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

/* What torch.save() wrote before PyTorch 1.6 begins with a pickle of this number. */
static const unsigned char legacy_magic[15] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
					       0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

/* The format by the file's first bytes, whatever its name ends in. */
static int list_tensors(struct reading *r, struct err *e)
{
	unsigned char head[sizeof(legacy_magic)] = {0};
	size_t got;
	int rc = input_at(r->fd, r->path, head, sizeof(head), 0, &got, e);

	if (rc)
		return rc;
	if (!memcmp(head, legacy_magic, sizeof(head)))
		return err_set(e, ERR_DATA,
			       "%s: the format of torch.save before PyTorch 1.6; load it in PyTorch and re-save with "
			       "torch.save(..., _use_new_zipfile_serialization=True)",
			       r->path);
	if (!memcmp(head, "PK\3\4", 4) || !memcmp(head, "PK\5\6", 4))
		return pth_list(r, e);
	return safetensors_list(r, e);
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
		rc = list_tensors(&r, e);
	if (!rc)
		rc = build(w, &r, e);
	free(r.entry);
	if (r.release)
		r.release(r.file);
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

const struct weights_info *weights_info(const struct weights *w)
{
	return &w->info;
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

bool weights_hugging_face(const struct weights *w)
{
	for (int i = 0; i < w->n; i++)
		if (strstr(w->tensor[i].name, "embedder.embedder.") || strstr(w->tensor[i].name, "encoder.stages."))
			return true;
	return false;
}
