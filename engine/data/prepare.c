/* prepare.c - see prepare.h */
#include "engine/data/prepare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "engine/data/augment.h"
#include "engine/data/transform.h"

/* ---- rules ------------------------------------------------------------------------------------------------ */

static bool size_ok(const int v[2], bool one_will_do)
{
	if (!v[0] && !v[1])
		return true;
	return v[0] > 0 && v[0] <= 1 << 14 && (v[1] > 0 || (one_will_do && !v[1])) && v[1] <= 1 << 14;
}

static int check_resized_crop(const struct data_spec *spec, struct err *e)
{
	const int *to = spec->augment.resized_crop, *crop = spec->crop, *size = spec->resize;
	int most = to[0] > to[1] ? to[0] : to[1];

	if (crop[0] && (crop[0] != to[0] || crop[1] != to[1]))
		return err_set(e, ERR_CONFIG,
			       "center_crop of %d x %d, but random_resized_crop gives %d x %d; expected the same",
			       crop[0], crop[1], to[0], to[1]);
	if (size[0] && (size[1] ? size[0] < to[0] || size[1] < to[1] : size[0] < most))
		return err_set(e, ERR_CONFIG, "resize to %d is smaller than random_resized_crop's %d x %d", size[0],
			       to[0], to[1]);
	return 0;
}

int prepare_check(const struct data_spec *spec, struct err *e)
{
	int rc = augment_check(&spec->augment, e);

	if (rc)
		return rc;
	if (!size_ok(spec->resize, true) || !size_ok(spec->crop, false) || !size_ok(spec->augment.resized_crop, false))
		return err_set(e, ERR_CONFIG, "resize, center_crop or random_resized_crop: expected sizes of 1 to %d",
			       1 << 14);
	if (spec->augment.resized_crop[0])
		return check_resized_crop(spec, e);
	return 0;
}

bool prepare_nothing(const struct data_spec *spec)
{
	return spec->kind != DATA_FOLDER && !spec->resize[0] && !spec->crop[0] && !spec->augment.resized_crop[0] &&
	       spec->cache != CACHE_DISK;
}

int prepare_per(const struct data_spec *spec)
{
	return spec->augment.resized_crop[0] ? 2 : 1;
}

/* What evaluation sees. With random crops: 256 pixels where 224 are cropped, torchvision's own proportion. */
static struct transform evaluation(const struct data_spec *spec)
{
	const int *to = spec->augment.resized_crop;
	struct transform t = {{spec->resize[0], spec->resize[1]}, {spec->crop[0], spec->crop[1]}};

	if (!to[0])
		return t;
	t.crop[0] = to[0];
	t.crop[1] = to[1];
	if (!t.resize[0])
		t.resize[0] = (to[0] > to[1] ? to[0] : to[1]) * 256 / 224;
	return t;
}

/* ---- the cache's key -------------------------------------------------------------------------------------- */

static void hash_text(XXH3_state_t *state, const char *text)
{
	XXH3_128bits_update(state, text, strlen(text) + 1);
}

/* A file is taken to be the same while its path, size and time of change are. */
static void hash_files(XXH3_state_t *state, const struct raw_samples *raw, const char *folder)
{
	char *real = realpath(folder, NULL);

	hash_text(state, real ? real : folder);
	free(real);
	for (int64_t i = 0; i < raw->n; i++) {
		struct stat st = {0};
		int64_t facts[3];

		stat(raw->path[i], &st);
		facts[0] = st.st_size;
		facts[1] = st.st_mtim.tv_sec;
		facts[2] = st.st_mtim.tv_nsec;
		hash_text(state, raw->path[i] + strlen(folder));
		XXH3_128bits_update(state, facts, sizeof(facts));
	}
}

static int cache_key(char key[33], const struct raw_samples *raw, const struct data_spec *spec, struct err *e)
{
	const struct transform t = evaluation(spec);
	const int64_t facts[] = {ENGINE_NUMERICS_VERSION,
				 raw->n,
				 raw->c,
				 raw->h,
				 raw->w,
				 raw->is_float,
				 spec->exif,
				 spec->skip_bad,
				 spec->resize[0],
				 spec->resize[1],
				 t.resize[0],
				 t.resize[1],
				 t.crop[0],
				 t.crop[1],
				 prepare_per(spec)};
	XXH3_state_t *state = XXH3_createState();
	XXH128_hash_t digest;
	size_t bytes;
	int rc = 0;

	if (!state)
		return err_set(e, ERR_NOMEM, "out of memory");
	XXH3_128bits_reset(state);
	XXH3_128bits_update(state, facts, sizeof(facts));
	if (raw->path)
		hash_files(state, raw, spec->folder);
	else
		rc = raw_size(raw, &bytes, data_source(spec, false), e);
	if (!raw->path && !rc)
		XXH3_128bits_update(state, raw->values, bytes);
	digest = XXH3_128bits_digest(state);
	XXH3_freeState(state);
	snprintf(key, 33, "%016llx%016llx", (unsigned long long)digest.high64, (unsigned long long)digest.low64);
	return rc;
}

/* ---- making ------------------------------------------------------------------------------------------------ */

struct maker {
	const struct data_spec *spec;
	const struct raw_samples *raw;
	struct transform evaluation;
	struct samples_build build;
	int elem;
	int64_t skipped;
	int h, w;          /* of the first sample, as evaluation sees it ... */
	const char *first; /* ... and its name */
};

static int same_size(struct maker *m, const struct image *im, const char *name, struct err *e)
{
	if (!m->first) {
		m->first = name;
		m->h = im->h;
		m->w = im->w;
	}
	if (im->h == m->h && im->w == m->w)
		return 0;
	return err_set(e, ERR_DATA,
		       "%s comes out as %d x %d, but %s as %d x %d; expected one size: give resize and center_crop, or "
		       "resize: [height, width]",
		       name, im->w, im->h, m->first, m->w, m->h);
}

/* One decoded image of h x w, into what is kept of it. */
static int keep(struct maker *m, int64_t i, const uint8_t *px, int h, int w, const char *name, struct err *e)
{
	const int *size = m->spec->resize;
	const struct transform whole = {{size[0], size[1]}, {0}};
	struct image im;
	int c = m->raw->c;
	int rc = transform_apply(&im, &m->evaluation, px, h, w, c, m->elem, name, e);

	if (!rc)
		rc = same_size(m, &im, name, e);
	if (!rc)
		rc = samples_append(&m->build, im.px, im.h, im.w, i, e);
	image_release(&im);
	if (rc || prepare_per(m->spec) == 1)
		return rc;
	if (!size[0])
		return samples_append(&m->build, px, h, w, i, e);
	rc = transform_apply(&im, &whole, px, h, w, c, m->elem, name, e);
	if (!rc)
		rc = samples_append(&m->build, im.px, im.h, im.w, i, e);
	image_release(&im);
	return rc;
}

static int make_one(struct maker *m, int64_t i, struct err *e)
{
	const struct raw_samples *raw = m->raw;
	struct image im;
	int rc;

	if (!raw->path) {
		size_t one = (size_t)raw->h * (size_t)raw->w * (size_t)raw->c * (size_t)m->elem;

		return keep(m, i, (const uint8_t *)raw->values + (size_t)i * one, raw->h, raw->w,
			    data_source(m->spec, false), e);
	}
	rc = image_read(&im, raw->path[i], m->spec->exif, e);
	if (m->spec->skip_bad && (rc == ERR_DATA || rc == ERR_NOINPUT)) {
		m->skipped++;
		return 0;
	}
	if (!rc)
		rc = keep(m, i, im.px, im.h, im.w, raw->path[i], e);
	image_release(&im);
	return rc;
}

static int make_all(struct samples *out, const struct raw_samples *raw, const struct data_spec *spec, const char *dir,
		    const char *key, int elem, struct err *e)
{
	struct maker m = {.spec = spec, .raw = raw, .evaluation = evaluation(spec), .elem = elem};
	size_t most = spec->cache == CACHE_DISK ? 0 : spec->cache_above;
	int rc = samples_begin(&m.build, raw->c * elem, dir, key, most, e);

	for (int64_t i = 0; i < raw->n && !rc; i++)
		rc = make_one(&m, i, e);
	if (!rc && m.skipped == raw->n)
		rc = err_prefix(e, "none of %lld images can be read; the last: ", (long long)raw->n);
	if (!rc)
		rc = samples_end(&m.build, out, e);
	samples_drop(&m.build);
	return rc;
}

/* Labels of the samples that became images, in front of all. */
static void follow(struct raw_samples *raw, const struct samples *s, int per)
{
	for (int64_t i = 0; i < s->n / per; i++)
		raw->label[i] = raw->label[s->place[i * per].source];
	raw->n = s->n / per;
	raw->h = s->place[0].h;
	raw->w = s->place[0].w;
}

int prepare_samples(struct samples *out, struct raw_samples *raw, int64_t *skipped, const struct data_spec *spec,
		    struct err *e)
{
	const char *dir = spec->cache == CACHE_MEMORY ? NULL : spec->cache_dir;
	int64_t had = raw->n;
	int elem = raw->is_float ? 4 : 1;
	char key[33] = "";
	int rc = 0;

	if (raw->is_float && (spec->resize[0] || spec->augment.resized_crop[0]))
		return err_set(e, ERR_CONFIG, "%s: float32 images cannot be resized; expected uint8 ones",
			       data_source(spec, false));
	if (spec->cache == CACHE_DISK && !dir)
		return err_set(e, ERR_CONFIG, "cache: disk, but neither XDG_CACHE_HOME nor HOME says where");
	if (dir)
		rc = cache_key(key, raw, spec, e);
	if (!rc && (!dir || !samples_cached(out, dir, key, raw->c * elem)))
		rc = make_all(out, raw, spec, dir, key, elem, e);
	if (rc)
		return rc;
	follow(raw, out, prepare_per(spec));
	*skipped = had - raw->n;
	samples_tighten(out);
	return 0;
}
