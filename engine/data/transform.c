/* transform.c - see transform.h */
#include "engine/data/transform.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/data/resize.h"

int center_offset(int n, int crop)
{
	if (crop > n)
		return -((crop - n) / 2);
	return (int)nearbyint((n - crop) / 2.0); /* Python's round: halves to the even one */
}

/* One row; mirrored, pixel by pixel. */
static void copy_row(uint8_t *dst, int dw, const uint8_t *src, size_t pixel, int from, int to, bool flip)
{
	size_t n = (size_t)(to - from) * pixel;

	if (!flip) {
		memcpy(dst + (size_t)from * pixel, src, n);
		return;
	}
	for (int x = from; x < to; x++, src += pixel)
		memcpy(dst + (size_t)(dw - 1 - x) * pixel, src, pixel);
}

void window_copy(uint8_t *dst, int dh, int dw, const uint8_t *src, int sh, int sw, size_t pixel, int top, int left,
		 bool flip)
{
	int from = left < 0 ? -left : 0; /* columns of dst that lie within src */
	int to = sw - left < dw ? sw - left : dw;

	for (int y = 0; y < dh; y++, dst += (size_t)dw * pixel) {
		int sy = top + y;
		bool inside = sy >= 0 && sy < sh && from < to;

		if (!inside || from > 0 || to < dw)
			memset(dst, 0, (size_t)dw * pixel);
		if (inside)
			copy_row(dst, dw, src + ((size_t)sy * (size_t)sw + (size_t)(left + from)) * pixel, pixel, from,
				 to, flip);
	}
}

int transform_resized(int *dh, int *dw, const int resize[2], int h, int w, const char *name, struct err *e)
{
	int64_t s = resize[0];
	int64_t th = resize[1] ? s : h <= w ? s : s * h / w; /* the longer side is rounded down */
	int64_t tw = resize[1] ? resize[1] : h <= w ? s * w / h : s;

	if (th > IMAGE_MAX_PIXELS || tw > IMAGE_MAX_PIXELS || th * tw > IMAGE_MAX_PIXELS)
		return err_set(e, ERR_DATA, "%s: %d x %d would become %lld x %lld; at most %d pixels", name, w, h,
			       (long long)tw, (long long)th, IMAGE_MAX_PIXELS);
	*dh = (int)th;
	*dw = (int)tw;
	return 0;
}

static int resized(struct image *out, const int resize[2], const uint8_t *px, int h, int w, int c, const char *name,
		   struct err *e)
{
	int dh = 0, dw = 0;
	void *scratch;
	int rc = transform_resized(&dh, &dw, resize, h, w, name, e);

	if (!rc)
		rc = image_alloc(out, dh, dw, c, name, e);
	if (rc)
		return rc;
	scratch = malloc(resize_scratch(h, w, dh, dw, c));
	if (!scratch)
		return err_set(e, ERR_NOMEM, "%s: out of memory", name);
	resize_bilinear(out->px, dh, dw, px, (size_t)w * (size_t)c, h, w, c, scratch);
	free(scratch);
	return 0;
}

static int cropped(struct image *out, const int crop[2], const uint8_t *px, int h, int w, int c, int elem,
		   const char *name, struct err *e)
{
	int rc = image_alloc(out, crop[0], crop[1], c * elem, name, e);

	out->c = c;
	if (!rc)
		window_copy(out->px, crop[0], crop[1], px, h, w, (size_t)(c * elem), center_offset(h, crop[0]),
			    center_offset(w, crop[1]), false);
	return rc;
}

int transform_apply(struct image *out, const struct transform *t, const uint8_t *px, int h, int w, int c, int elem,
		    const char *name, struct err *e)
{
	const int same[2] = {h, w};
	struct image sized = {0};
	int rc = 0;

	*out = (struct image){0};
	if (t->resize[0]) {
		rc = resized(&sized, t->resize, px, h, w, c, name, e);
		px = sized.px;
		h = sized.h;
		w = sized.w;
	}
	if (!rc && t->resize[0] && !t->crop[0]) {
		*out = sized;
		return 0;
	}
	if (!rc)
		rc = cropped(out, t->crop[0] ? t->crop : same, px, h, w, c, elem, name, e);
	image_release(&sized);
	if (rc)
		image_release(out);
	return rc;
}
