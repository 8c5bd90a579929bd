/* inspect_sheet.c - a data set's contact sheet (see inspect.h) */
#include "sweep/cmd/inspect.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/report/png.h"

#define GAP        4
#define PAPER      255
#define TILE_LEAST 56    /* small images are enlarged by a whole factor to at least this */
#define SIDE_MOST  16384 /* pixels of the sheet */

struct sheet {
	const struct dataset_info *info;
	const struct data_spec *spec;
	int channels; /* 1 or 3 in the picture */
	int factor;   /* pixels a pixel */
	int per_class, w, h;
	double low, high; /* what becomes black and white */
	float *x;         /* one image */
	int *drawn;       /* [classes] */
	uint8_t *pixel;
};

static double value(const struct sheet *s, int64_t pixel, int channel)
{
	return inspect_undo(s->spec, channel, (double)s->x[pixel * s->info->c + channel]);
}

static void draw(struct sheet *s, int column, int row)
{
	int tile_w = s->info->w * s->factor;
	int tile_h = s->info->h * s->factor;
	int left = GAP + column * (tile_w + GAP);
	int top = GAP + row * (tile_h + GAP);

	for (int y = 0; y < tile_h; y++)
		for (int x = 0; x < tile_w; x++)
			for (int c = 0; c < s->channels; c++) {
				int64_t from = (int64_t)(y / s->factor) * s->info->w + x / s->factor;
				double v = (value(s, from, c) - s->low) / (s->high - s->low);

				s->pixel[((int64_t)(top + y) * s->w + left + x) * s->channels + c] =
					(uint8_t)lrint(255 * fmin(1, fmax(0, v)));
			}
}

static void widen(struct sheet *s)
{
	for (int64_t p = 0; p < (int64_t)s->info->h * s->info->w; p++)
		for (int c = 0; c < s->channels; c++) {
			s->low = fmin(s->low, value(s, p, c));
			s->high = fmax(s->high, value(s, p, c));
		}
}

/* The first images of each class: draws them, or finds their least and greatest value. */
static int each(struct sheet *s, const struct dataset *d, bool range, struct err *e)
{
	int rc = 0;

	memset(s->drawn, 0, (size_t)s->info->classes * sizeof(*s->drawn));
	for (int64_t i = 0; i < s->info->n && !rc; i++) {
		int label = 0;

		rc = dataset_sample(d, i, s->x, &label, e);
		if (rc || s->drawn[label] == s->per_class)
			continue;
		if (range)
			widen(s);
		else
			draw(s, s->drawn[label], label);
		s->drawn[label]++;
	}
	return rc;
}

static int lay_out(struct sheet *s, const struct sheet_options *o, struct err *e)
{
	int side = s->info->w > s->info->h ? s->info->w : s->info->h;
	int64_t w, h;

	s->channels = s->info->c == 3 ? 3 : 1;
	s->factor = side < TILE_LEAST ? (TILE_LEAST + side - 1) / side : 1;
	s->per_class = o->per_class;
	w = GAP + (int64_t)s->per_class * (s->info->w * (int64_t)s->factor + GAP);
	h = GAP + (int64_t)s->info->classes * (s->info->h * (int64_t)s->factor + GAP);
	if (w > SIDE_MOST || h > SIDE_MOST)
		return err_set(e, ERR_USAGE,
			       "--sheet: %" PRId64 " x %" PRId64
			       " pixels for %d classes and %d images of each, at most "
			       "%d a side; see --per-class, --set data.train.classes=[...]",
			       w, h, s->info->classes, s->per_class, SIDE_MOST);
	s->w = (int)w;
	s->h = (int)h;
	s->x = malloc((size_t)s->info->c * (size_t)s->info->h * (size_t)s->info->w * sizeof(*s->x));
	s->drawn = calloc((size_t)s->info->classes, sizeof(*s->drawn));
	s->pixel = malloc((size_t)s->w * (size_t)s->h * (size_t)s->channels);
	if (!s->x || !s->drawn || !s->pixel)
		return err_set(e, ERR_NOMEM, "%s: out of memory", o->path);
	memset(s->pixel, PAPER, (size_t)s->w * (size_t)s->h * (size_t)s->channels);
	return 0;
}

/* Bytes are shown as they are, 0 to 1; other values from their least to their greatest. */
static int choose_range(struct sheet *s, const struct dataset *d, struct err *e)
{
	int rc;

	s->low = 0;
	s->high = 1;
	rc = each(s, d, true, e);
	if (s->low > -1e-3 && s->high < 1 + 1e-3) {
		s->low = 0;
		s->high = 1;
	}
	return rc;
}

int inspect_sheet(const struct sheet_options *o, const struct dataset *d, const struct data_spec *spec, struct err *e)
{
	struct sheet s = {.info = dataset_info(d), .spec = spec};
	int rc = lay_out(&s, o, e);

	if (!rc)
		rc = choose_range(&s, d, e);
	if (!rc)
		rc = each(&s, d, false, e);
	if (!rc)
		rc = png_replace(o->path, s.pixel, s.w, s.h, s.channels, e);
	if (!rc)
		fprintf(stderr, "gapsweep: %s: %dx%d, a row for each of classes 0 to %d%s\n", o->path, s.w, s.h,
			s.info->classes - 1, s.info->c == 3 || s.info->c == 1 ? "" : ", channel 0");
	free(s.x);
	free(s.drawn);
	free(s.pixel);
	return rc;
}
