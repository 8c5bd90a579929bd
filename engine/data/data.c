/* data.c - a source's samples checked, selected, transformed and hashed; batch.c hands them out */
#include "engine/data/data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/data/augment.h"
#include "engine/data/dataset.h"
#include "engine/data/prepare.h"

const char *data_source(const struct data_spec *spec, bool labels)
{
	switch (spec->kind) {
	case DATA_FAKE:
		return "fake data";
	case DATA_FOLDER:
		return spec->folder;
	case DATA_CIFAR10:
	case DATA_CIFAR100:
		return spec->files[0];
	default:
		return labels ? spec->labels : spec->images;
	}
}

/* ---- the specification ------------------------------------------------------------------------------------ */

static int check_source(const struct data_spec *spec, struct err *e)
{
	switch (spec->kind) {
	case DATA_NONE:
		return err_set(e, ERR_CONFIG, "no source of data given");
	case DATA_FAKE:
		return 0;
	case DATA_FOLDER:
		return spec->folder ? 0 : err_set(e, ERR_CONFIG, "data: a path of a folder is needed");
	case DATA_CIFAR10:
	case DATA_CIFAR100:
		return spec->n_files > 0 ? 0 : err_set(e, ERR_CONFIG, "data: CIFAR files are needed");
	default:
		if (!spec->images || !spec->labels)
			return err_set(e, ERR_CONFIG, "data: a path for images and one for labels are needed");
		return 0;
	}
}

int data_spec_check(const struct data_spec *spec, struct err *e)
{
	int rc = check_source(spec, e);

	if (!rc)
		rc = prepare_check(spec, e);
	if (rc)
		return rc;
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
				       data_source(spec, false), (long long)(i / one));
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
	case DATA_FOLDER:
		rc = folder_read(raw, spec, e);
		break;
	case DATA_CIFAR10:
	case DATA_CIFAR100:
		rc = cifar_read(raw, spec, e);
		break;
	case DATA_NONE: /* data_spec_check() refused it */
		break;
	}
	if (rc)
		return rc;
	if (spec->n_norm > 1 && spec->n_norm != raw->c)
		return err_set(e, ERR_CONFIG, "%s: %d channels, but normalisation is given for %d",
			       data_source(spec, false), raw->c, spec->n_norm);
	return check_values(raw, spec, e);
}

/* ---- the data set ----------------------------------------------------------------------------------------- */

/* Takes raw's values over; they shrink to what was selected. */
static int adopt(struct samples *s, struct raw_samples *raw, struct err *e)
{
	XXH128_hash_t digest;
	size_t bytes;
	int rc = raw_size(raw, &bytes, "data", e);
	void *smaller;

	if (rc)
		return rc;
	smaller = realloc(raw->values, bytes);
	if (smaller)
		raw->values = smaller;
	*s = (struct samples){.n = raw->n,
			      .pixel = raw->c * (raw->is_float ? 4 : 1),
			      .h = raw->h,
			      .w = raw->w,
			      .memory = raw->values,
			      .bytes = bytes,
			      .fd = -1};
	raw->values = NULL;
	digest = XXH3_128bits(s->memory, bytes);
	s->digest[0] = digest.high64;
	s->digest[1] = digest.low64;
	return 0;
}

static int set_images(struct dataset *d, struct raw_samples *raw, const struct data_spec *spec, struct err *e)
{
	struct dataset_info *info = &d->info;
	int rc;

	d->is_float = raw->is_float;
	d->per = prepare_per(spec);
	d->augment = spec->augment;
	rc = prepare_nothing(spec) ? adopt(&d->images, raw, e)
				   : prepare_samples(&d->images, raw, &info->skipped, spec, e);
	if (rc)
		return rc;
	info->n = raw->n;
	info->c = raw->c;
	info->h = raw->h;
	info->w = raw->w;
	info->bytes = sizeof(*d) + (d->images.memory ? d->images.bytes : 0) +
		      (d->images.place ? (size_t)d->images.n * sizeof(*d->images.place) : 0);
	info->on_disk = d->images.memory ? 0 : d->images.bytes;
	return 0;
}

static int set_labels(struct dataset *d, const struct raw_samples *raw, struct err *e)
{
	size_t bytes = (size_t)raw->n * sizeof(*d->label);

	d->label = malloc(bytes);
	if (!d->label)
		return err_set(e, ERR_NOMEM, "out of memory for %lld labels", (long long)raw->n);
	for (int64_t i = 0; i < raw->n; i++)
		d->label[i] = (int32_t)raw->label[i];
	d->info.bytes += bytes;
	return 0;
}

/* The names of the classes, in one block with their text, by the numbers that selection gave them. */
static int set_names(struct dataset *d, const struct raw_samples *raw, const struct data_spec *spec, struct err *e)
{
	size_t classes = (size_t)d->info.classes;
	size_t bytes = classes * sizeof(char *);
	const char **names;
	char *text;

	if (!raw->name)
		return 0;
	for (size_t k = 0; k < classes; k++)
		bytes += strlen(raw->name[spec->n_classes ? (size_t)spec->classes[k] : k]) + 1;
	names = malloc(bytes);
	if (!names)
		return err_set(e, ERR_NOMEM, "out of memory for the names of classes");
	text = (char *)(names + classes);
	for (size_t k = 0; k < classes; k++) {
		names[k] = text;
		text = stpcpy(text, raw->name[spec->n_classes ? (size_t)spec->classes[k] : k]) + 1;
	}
	d->info.names = names;
	d->info.bytes += bytes;
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

/* What the numbers of augmentation depend on besides the images; "" without. */
static void augment_text(char out[200], const struct dataset *d)
{
	const struct augment_spec *a = &d->augment;

	*out = 0;
	if (augment_any(a))
		snprintf(out, 200, "augment %d x %d of %.17g..%.17g aspect %.17g..%.17g, pad %d, flip %.17g;",
			 a->resized_crop[0], a->resized_crop[1], a->scale[0], a->scale[1], a->ratio[0], a->ratio[1],
			 a->crop_pad, a->hflip);
}

static int set_hash(struct dataset *d, struct err *e)
{
	const struct dataset_info *info = &d->info;
	XXH3_state_t *state = XXH3_createState();
	XXH128_hash_t digest;
	char head[128], augment[200];

	if (!state)
		return err_set(e, ERR_NOMEM, "out of memory");
	snprintf(head, sizeof(head), "gapsweep data 2: %lld x %d x %d x %d %s, %d classes;", (long long)info->n,
		 info->h, info->w, info->c, d->is_float ? "f32" : "u8", info->classes);
	augment_text(augment, d);
	XXH3_128bits_reset(state);
	XXH3_128bits_update(state, head, strlen(head));
	XXH3_128bits_update(state, augment, strlen(augment));
	XXH3_128bits_update(state, d->mean, 2 * (size_t)info->c * sizeof(float)); /* and std behind it */
	XXH3_128bits_update(state, d->label, (size_t)info->n * sizeof(*d->label));
	for (int64_t i = 0; i < d->images.n && d->per > 1; i++) { /* else all are h x w */
		const struct sample_place *p = d->images.place ? &d->images.place[i] : NULL;
		const int32_t size[2] = {p ? p->h : d->images.h, p ? p->w : d->images.w};

		XXH3_128bits_update(state, size, sizeof(size));
	}
	XXH3_128bits_update(state, d->images.digest, sizeof(d->images.digest));
	digest = XXH3_128bits_digest(state);
	XXH3_freeState(state);
	snprintf(d->info.hash, sizeof(d->info.hash), "%016llx%016llx", (unsigned long long)digest.high64,
		 (unsigned long long)digest.low64);
	return 0;
}

void raw_release(struct raw_samples *raw)
{
	free(raw->values);
	free(raw->label);
	free(raw->path);
	free(raw->name);
	free(raw->text);
	*raw = (struct raw_samples){0};
}

int dataset_open(struct dataset **d, const struct data_spec *spec, struct err *e)
{
	struct raw_samples raw = {0};
	struct dataset *made = NULL;
	int classes;
	int rc;

	*d = NULL;
	rc = data_spec_check(spec, e);
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
	rc = set_images(made, &raw, spec, e);
	if (!rc)
		rc = set_labels(made, &raw, e);
	if (!rc)
		rc = set_names(made, &raw, spec, e);
	if (!rc)
		rc = set_normalisation(made, spec, e);
	if (!rc)
		rc = set_hash(made, e);
done:
	raw_release(&raw);
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

int dataset_same_classes(const struct dataset *train, const struct dataset *val, struct err *e)
{
	const struct dataset_info *a = &train->info, *b = &val->info;

	if (!a->names || !b->names)
		return 0;
	for (int k = 0; k < a->classes && k < b->classes; k++)
		if (strcmp(a->names[k], b->names[k]))
			return err_set(e, ERR_DATA,
				       "data: class %d is '%s' in train, but '%s' in val; expected the same folders", k,
				       a->names[k], b->names[k]);
	if (a->classes != b->classes)
		return err_set(e, ERR_DATA,
			       "data: train has %d classes, val %d: '%s' is only in %s; expected the same folders",
			       a->classes, b->classes,
			       a->classes > b->classes ? a->names[b->classes] : b->names[a->classes],
			       a->classes > b->classes ? "train" : "val");
	return 0;
}

void dataset_free(struct dataset *d)
{
	if (!d)
		return;
	samples_release(&d->images);
	free((void *)(uintptr_t)d->info.names);
	free(d->label);
	free(d->mean); /* one block with std and lut */
	free(d);
}
