/* batch.c - samples augmented, scaled and handed out in batches; see data.h */
#include <string.h>

#include "engine/base/arena.h"
#include "engine/data/augment.h"
#include "engine/data/dataset.h"
#include "engine/data/resize.h"
#include "engine/data/transform.h"

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

/* Values of mean 0 and deviation 1 are what they are. */
static bool as_they_are(const struct dataset *d)
{
	for (int k = 0; k < d->info.c; k++)
		if (d->mean[k] != 0 || d->std[k] != 1)
			return false;
	return true;
}

static void gather_f32(const struct dataset *d, float *x, const float *v, size_t one)
{
	size_t c = (size_t)d->info.c;

	if (as_they_are(d)) {
		memmove(x, v, one * sizeof(*x)); /* it may lie there already */
		return;
	}
	for (size_t i = 0; i < one; i += c)
		for (size_t k = 0; k < c; k++)
			x[i + k] = (v[i + k] - d->mean[k]) / d->std[k];
}

static size_t disk_room(const struct dataset *d)
{
	const struct samples *s = &d->images;
	size_t bytes = s->memory ? 0 : (size_t)s->h * (size_t)s->w * (size_t)s->pixel;

	return (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

size_t dataset_scratch(const struct dataset *d)
{
	const int *to = d->augment.resized_crop;

	if (!augment_any(&d->augment))
		return 0;
	return disk_room(d) + (to[0] ? resize_scratch(d->images.h, d->images.w, to[0], to[1], d->info.c) : 0);
}

bool dataset_augments(const struct dataset *d)
{
	return augment_any(&d->augment);
}

void dataset_labels(const struct dataset *d, int32_t *y, const uint32_t *index, int64_t first, int n)
{
	for (int i = 0; i < n; i++)
		y[i] = d->label[index ? index[i] : (size_t)first + (size_t)i];
}

static void mirror(uint8_t *px, int h, int w, int c)
{
	for (int y = 0; y < h; y++, px += (size_t)w * (size_t)c)
		for (int l = 0, r = w - 1; l < r; l++, r--)
			for (int k = 0; k < c; k++) {
				uint8_t t = px[l * c + k];

				px[l * c + k] = px[r * c + k];
				px[r * c + k] = t;
			}
}

/* Sample `at` as this epoch's training sees it. */
static int gather_augmented(const struct dataset *d, uint8_t *out, size_t at, const struct augment_draw *draw,
			    struct err *e)
{
	const struct augment_spec *a = &d->augment;
	const size_t pixel = (size_t)d->images.pixel;
	const uint8_t *src;
	struct augment_pick p;
	int h, w;
	int rc = samples_get(&d->images, (int64_t)at * d->per + d->per - 1, draw->scratch, &src, &h, &w, e);

	if (rc)
		return rc;
	p = augment_pick(a, h, w, draw->seed, draw->epoch, at);
	if (!a->resized_crop[0]) {
		window_copy(out, h, w, src, h, w, pixel, p.top, p.left, p.flip);
		return 0;
	}
	resize_bilinear(out, d->info.h, d->info.w, src + ((size_t)p.top * (size_t)w + (size_t)p.left) * pixel,
			(size_t)w * pixel, p.h, p.w, d->info.c, (char *)draw->scratch + disk_room(d));
	if (p.flip)
		mirror(out, d->info.h, d->info.w, d->info.c);
	return 0;
}

/*
 * What has no place of its own is made or read where x will stand: bytes at its end, so that turning them into floats
 * from the front never overtakes them.
 */
static int gather_one(const struct dataset *d, float *x, size_t at, size_t one, const struct augment_draw *draw,
		      struct err *e)
{
	uint8_t *room = d->is_float ? (uint8_t *)x : (uint8_t *)(x + one) - one;
	const uint8_t *v = room;
	int h, w;
	int rc = draw && augment_any(&d->augment) ? gather_augmented(d, room, at, draw, e)
						  : samples_get(&d->images, (int64_t)at * d->per, room, &v, &h, &w, e);

	if (rc)
		return rc;
	if (d->is_float)
		gather_f32(d, x, (const float *)(const void *)v, one);
	else
		gather_u8(d, x, v, one);
	return 0;
}

int dataset_gather(const struct dataset *d, float *x, int32_t *y, const uint32_t *index, int64_t first, int n,
		   const struct augment_draw *draw, struct err *e)
{
	size_t one = (size_t)d->info.c * (size_t)d->info.h * (size_t)d->info.w;
	int rc = 0;

	for (int i = 0; i < n && !rc; i++) {
		size_t at = index ? index[i] : (size_t)first + (size_t)i;

		rc = gather_one(d, x + (size_t)i * one, at, one, draw, e);
		y[i] = d->label[at];
	}
	return rc;
}
