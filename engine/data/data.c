/* data.c - a source's samples checked, selected, hashed and handed out in batches */
#include "engine/data/data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct dataset {
	struct dataset_info info;
	bool is_float;
	void *values;   /* [n][h][w][c], float32 or uint8 */
	int32_t *label; /* [n] */
	float *mean;    /* [c] */
	float *std;     /* [c] */
	float *lut;     /* uint8 only: [n_lut][256], what a value becomes */
	int n_lut;      /* 1 if all channels share a table, else c */
};

/* What an error about pixels names. */
static const char *image_source(const struct data_spec *spec)
{
	return spec->kind == DATA_FAKE ? "fake data" : spec->images;
}

/* ---- the specification ------------------------------------------------------------------------------------ */

static int check_spec(const struct data_spec *spec, struct err *e)
{
	if (spec->kind == DATA_NONE)
		return err_set(e, ERR_CONFIG, "no source of data given");
	if (spec->kind != DATA_FAKE && (!spec->images || !spec->labels))
		return err_set(e, ERR_CONFIG, "data: a path for images and one for labels are needed");
	if (spec->offset < 0 || spec->per_class < 0 || spec->limit < 0)
		return err_set(e, ERR_CONFIG, "data: offset, per_class and limit must not be negative");
	for (int i = 0; i < spec->n_norm; i++)
		if (!isfinite((float)spec->mean[i]) || !isfinite((float)spec->std[i]) || (float)spec->std[i] <= 0)
			return err_set(e, ERR_CONFIG,
				       "normalisation: mean %g, std %g: std must be above 0, both finite",
				       spec->mean[i], spec->std[i]);
	return select_check(spec, e);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

int raw_size(const struct raw_samples *raw, size_t *bytes, const char *where, struct err *e)
{
	int64_t one = raw->is_float ? 4 : 1;

	if (raw->n < 1 || raw->c < 1 || raw->h < 1 || raw->w < 1)
		return err_set(e, ERR_DATA, "%s: no samples (%lld of shape %d x %d x %d)", where, (long long)raw->n,
			       raw->c, raw->h, raw->w);
	if (raw->c > ENGINE_CHANNELS || (int64_t)raw->h * raw->w > DATA_MAX_PIXELS)
		return err_set(e, ERR_DATA, "%s: %d channels of %d x %d; at most %d channels of %d pixels", where,
			       raw->c, raw->h, raw->w, ENGINE_CHANNELS, DATA_MAX_PIXELS);
	one *= (int64_t)raw->c * raw->h * raw->w; /* at most 2^38 */
	if (raw->n > DATA_MAX_BYTES / one || raw->n > UINT32_MAX)
		return err_set(e, ERR_DATA,
			       "%s: %lld samples of %lld bytes each; at most %lld bytes and 2^32 - 1 samples", where,
			       (long long)raw->n, (long long)one, (long long)DATA_MAX_BYTES);
	*bytes = (size_t)(raw->n * one);
	return 0;
}

/* A NaN pixel would turn every trial into a diverged one. */
static int check_values(const struct raw_samples *raw, const struct data_spec *spec, struct err *e)
{
	int64_t one = (int64_t)raw->c * raw->h * raw->w;
	const float *v = raw->values;

	for (int64_t i = 0; raw->is_float && i < raw->n * one; i++)
		if (!isfinite(v[i]))
			return err_set(e, ERR_DATA, "%s: sample %lld holds a value that is not finite",
				       image_source(spec), (long long)(i / one));
	return 0;
}

static int read_source(struct raw_samples *raw, const struct data_spec *spec, struct err *e)
{
	int rc = ERR_CONFIG;

	switch (spec->kind) {
	case DATA_IDX:
		rc = idx_read(raw, spec, e);
		break;
	case DATA_NPY:
		rc = npy_read(raw, spec, e);
		break;
	case DATA_FAKE:
		rc = fake_read(raw, spec, e);
		break;
	case DATA_NONE: /* check_spec() refused it */
		break;
	}
	if (rc)
		return rc;
	if (spec->n_norm > 1 && spec->n_norm != raw->c)
		return err_set(e, ERR_CONFIG, "%s: %d channels, but normalisation is given for %d", image_source(spec),
			       raw->c, spec->n_norm);
	return check_values(raw, spec, e);
}

/* ---- the data set ----------------------------------------------------------------------------------------- */

/* Takes raw's blocks over; the values shrink to what was selected. */
static int adopt(struct dataset *d, struct raw_samples *raw, struct err *e)
{
	size_t bytes, label_bytes;
	int rc = raw_size(raw, &bytes, "data", e);
	void *smaller;

	if (rc)
		return rc;
	label_bytes = (size_t)raw->n * sizeof(*d->label);
	d->label = malloc(label_bytes);
	if (!d->label)
		return err_set(e, ERR_NOMEM, "out of memory for %lld labels", (long long)raw->n);
	for (int64_t i = 0; i < raw->n; i++)
		d->label[i] = (int32_t)raw->label[i];
	smaller = realloc(raw->values, bytes);
	d->values = smaller ? smaller : raw->values;
	raw->values = NULL;
	d->is_float = raw->is_float;
	d->info.n = raw->n;
	d->info.c = raw->c;
	d->info.h = raw->h;
	d->info.w = raw->w;
	d->info.bytes = sizeof(*d) + bytes + label_bytes;
	return 0;
}

static int set_normalisation(struct dataset *d, const struct data_spec *spec, struct err *e)
{
	int c = d->info.c;
	size_t floats;

	d->n_lut = d->is_float ? 0 : spec->n_norm > 1 ? c : 1;
	floats = 2 * (size_t)c + 256 * (size_t)d->n_lut;
	d->mean = malloc(floats * sizeof(float));
	if (!d->mean)
		return err_set(e, ERR_NOMEM, "out of memory for the normalisation of %d channels", c);
	d->std = d->mean + c;
	d->lut = d->std + c;
	d->info.bytes += floats * sizeof(float);
	for (int i = 0; i < c; i++) {
		int k = spec->n_norm > 1 ? i : 0;

		d->mean[i] = spec->n_norm ? (float)spec->mean[k] : 0.0f;
		d->std[i] = spec->n_norm ? (float)spec->std[k] : 1.0f;
	}
	for (int i = 0; i < d->n_lut; i++)
		for (int v = 0; v < 256; v++)
			d->lut[256 * i + v] = ((float)v / 255.0f - d->mean[i]) / d->std[i];
	return 0;
}

static int set_hash(struct dataset *d, struct err *e)
{
	const struct dataset_info *info = &d->info;
	size_t one = (size_t)info->c * (size_t)info->h * (size_t)info->w * (d->is_float ? 4 : 1);
	XXH3_state_t *state = XXH3_createState();
	XXH128_hash_t digest;
	char head[128];
	int len;

	if (!state)
		return err_set(e, ERR_NOMEM, "out of memory");
	len = snprintf(head, sizeof(head), "gapsweep data 1: %lld x %d x %d x %d %s, %d classes;", (long long)info->n,
		       info->h, info->w, info->c, d->is_float ? "f32" : "u8", info->classes);
	XXH3_128bits_reset(state);
	XXH3_128bits_update(state, head, (size_t)len);
	XXH3_128bits_update(state, d->mean, 2 * (size_t)info->c * sizeof(float)); /* and std behind it */
	XXH3_128bits_update(state, d->label, (size_t)info->n * sizeof(*d->label));
	XXH3_128bits_update(state, d->values, (size_t)info->n * one);
	digest = XXH3_128bits_digest(state);
	XXH3_freeState(state);
	snprintf(d->info.hash, sizeof(d->info.hash), "%016llx%016llx", (unsigned long long)digest.high64,
		 (unsigned long long)digest.low64);
	return 0;
}

int dataset_open(struct dataset **d, const struct data_spec *spec, struct err *e)
{
	struct raw_samples raw = {0};
	struct dataset *made = NULL;
	int classes;
	int rc;

	*d = NULL;
	rc = check_spec(spec, e);
	if (!rc)
		rc = read_source(&raw, spec, e);
	if (!rc)
		rc = select_samples(&raw, &classes, spec, e);
	if (rc)
		goto done;
	made = calloc(1, sizeof(*made));
	if (!made) {
		rc = err_set(e, ERR_NOMEM, "out of memory");
		goto done;
	}
	made->info.classes = classes;
	rc = adopt(made, &raw, e);
	if (!rc)
		rc = set_normalisation(made, spec, e);
	if (!rc)
		rc = set_hash(made, e);
done:
	free(raw.values);
	free(raw.label);
	if (rc)
		dataset_free(made);
	else
		*d = made;
	return rc;
}

const struct dataset_info *dataset_info(const struct dataset *d)
{
	return &d->info;
}

void dataset_free(struct dataset *d)
{
	if (!d)
		return;
	free(d->values);
	free(d->label);
	free(d->mean); /* one block with std and lut */
	free(d);
}

/* ---- batches ---------------------------------------------------------------------------------------------- */

static void gather_u8(const struct dataset *d, float *x, const uint8_t *v, size_t one)
{
	size_t c = (size_t)d->info.c;

	if (d->n_lut == 1) {
		for (size_t i = 0; i < one; i++)
			x[i] = d->lut[v[i]];
		return;
	}
	for (size_t i = 0; i < one; i += c)
		for (size_t k = 0; k < c; k++)
			x[i + k] = d->lut[256 * k + v[i + k]];
}

static void gather_f32(const struct dataset *d, float *x, const float *v, size_t one)
{
	size_t c = (size_t)d->info.c;

	for (size_t i = 0; i < one; i += c)
		for (size_t k = 0; k < c; k++)
			x[i + k] = (v[i + k] - d->mean[k]) / d->std[k];
}

void dataset_gather(const struct dataset *d, float *x, int32_t *y, const uint32_t *index, int64_t first, int n)
{
	size_t one = (size_t)d->info.c * (size_t)d->info.h * (size_t)d->info.w;

	for (int i = 0; i < n; i++) {
		size_t at = index ? index[i] : (size_t)first + (size_t)i;

		if (d->is_float)
			gather_f32(d, x + (size_t)i * one, (const float *)d->values + at * one, one);
		else
			gather_u8(d, x + (size_t)i * one, (const uint8_t *)d->values + at * one, one);
		y[i] = d->label[at];
	}
}
