/* cifar.c - CIFAR-10's and CIFAR-100's binary files: label bytes, then 3 planes of 32 x 32 (cs.toronto.edu/~kriz) */
#include "engine/data/data.h"
#include "engine/data/bytes.h"

#include <stdlib.h>

#define PLANE  (32 * 32)
#define PIXELS (3 * PLANE)

/* What a record of the kind is made of. */
struct record {
	int labels, which; /* bytes before the pixels, and the one that counts */
	int classes;
};

static struct record record_of(const struct data_spec *spec)
{
	if (spec->kind == DATA_CIFAR10)
		return (struct record){1, 0, 10};
	return spec->coarse ? (struct record){2, 0, 20} : (struct record){2, 1, 100};
}

static int open_file(struct bytes *b, int64_t *n, const char *path, const struct record *r, struct err *e)
{
	int one = r->labels + PIXELS;
	int rc = bytes_open(b, path, e);

	if (rc)
		return rc;
	*n = b->size / one;
	if (b->zipped)
		rc = err_set(e, ERR_DATA, "%s: gzipped; expected the unpacked .bin file", path);
	else if (!*n || b->size % one)
		rc = err_set(e, ERR_DATA, "%s: %lld bytes; expected a multiple of %d (a CIFAR record)", path,
			     (long long)b->size, one);
	return rc;
}

static int make_room(struct raw_samples *raw, int64_t n, const char *path, struct err *e)
{
	struct raw_samples all = *raw;
	size_t bytes;
	void *values, *label;
	int rc;

	all.n += n;
	rc = raw_size(&all, &bytes, path, e);
	if (rc)
		return rc;
	values = realloc(raw->values, bytes);
	if (values)
		raw->values = values;
	label = realloc(raw->label, (size_t)all.n * sizeof(*raw->label));
	if (label)
		raw->label = label;
	if (!values || !label)
		return err_set(e, ERR_NOMEM, "%s: out of memory for %zu bytes", path, bytes);
	return 0;
}

static int read_record(struct raw_samples *raw, struct bytes *b, const struct record *r, struct err *e)
{
	uint8_t *to = (uint8_t *)raw->values + raw->n * PIXELS;
	uint8_t in[2 + PIXELS];
	int label;
	int rc = bytes_read(b, in, (size_t)(r->labels + PIXELS), "records", e);

	if (rc)
		return rc;
	label = in[r->which];
	if (label >= r->classes)
		return err_set(e, ERR_DATA, "%s: label %d, not within 0 .. %d; is it a CIFAR-%d file?", b->path, label,
			       r->classes - 1, r->labels == 1 ? 10 : 100);
	for (int p = 0; p < PLANE; p++)
		for (int c = 0; c < 3; c++)
			to[3 * p + c] = in[r->labels + c * PLANE + p];
	raw->label[raw->n++] = label;
	return 0;
}

static int read_file(struct raw_samples *raw, const char *path, const struct record *r, struct err *e)
{
	struct bytes b;
	int64_t n = 0;
	int rc = open_file(&b, &n, path, r, e);

	if (!rc)
		rc = make_room(raw, n, path, e);
	for (int64_t i = 0; i < n && !rc; i++)
		rc = read_record(raw, &b, r, e);
	bytes_close(&b);
	return rc;
}

int cifar_read(struct raw_samples *raw, const struct data_spec *spec, struct err *e)
{
	struct record r = record_of(spec);
	int rc = 0;

	raw->c = 3;
	raw->h = raw->w = 32;
	raw->classes = r.classes;
	for (int i = 0; i < spec->n_files && !rc; i++)
		rc = read_file(raw, spec->files[i], &r, e);
	return rc;
}
