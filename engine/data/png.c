/* png.c - PNG files by libpng */
#include "engine/data/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

struct reader {
	const uint8_t *bytes;
	size_t n, at;
	png_structp png;
	png_infop info;
	char why[128];
};

static void fail(png_structp png, png_const_charp why)
{
	struct reader *r = png_get_error_ptr(png);

	snprintf(r->why, sizeof(r->why), "%s", why);
	png_longjmp(png, 1);
}

static void warn(png_structp png, png_const_charp why)
{
	(void)png;
	(void)why;
}

static void give(png_structp png, png_bytep out, size_t n)
{
	struct reader *r = png_get_io_ptr(png);

	if (n > r->n - r->at)
		png_error(png, "the file is cut short");
	memcpy(out, r->bytes + r->at, n);
	r->at += n;
}

/* Whatever the file holds comes out as 8-bit RGB, and alpha does not come out. */
static void set_colours(struct reader *r)
{
	png_set_palette_to_rgb(r->png);
	png_set_expand_gray_1_2_4_to_8(r->png);
	png_set_strip_16(r->png);
	png_set_strip_alpha(r->png);
	png_set_gray_to_rgb(r->png);
	png_set_interlace_handling(r->png);
	png_read_update_info(r->png, r->info);
}

static void read_exif(struct reader *r, int *orientation)
{
	png_bytep tiff;
	png_uint_32 n;

	if (png_get_eXIf_1(r->png, r->info, &n, &tiff))
		*orientation = exif_orientation(tiff, n);
}

/* Everything that libpng may jump out of. */
static int decode(struct reader *r, struct image *im, int *orientation, const char *name, struct err *e)
{
	int rc, passes;

	if (setjmp(png_jmpbuf(r->png)))
		return err_set(e, ERR_DATA, "%s: damaged PNG: %s", name, r->why);
	png_set_user_limits(r->png, IMAGE_MAX_PIXELS, IMAGE_MAX_PIXELS);
	png_set_read_fn(r->png, r, give);
	png_read_info(r->png, r->info);
	rc = image_alloc(im, png_get_image_height(r->png, r->info), png_get_image_width(r->png, r->info), 3, name, e);
	if (rc)
		return rc;
	passes = png_get_interlace_type(r->png, r->info) == PNG_INTERLACE_NONE ? 1 : PNG_INTERLACE_ADAM7_PASSES;
	set_colours(r);
	if (png_get_rowbytes(r->png, r->info) != (size_t)im->w * 3)
		return err_set(e, ERR_DATA, "%s: a PNG that does not become RGB", name);
	for (int p = 0; p < passes; p++)
		for (int y = 0; y < im->h; y++)
			png_read_row(r->png, im->px + (size_t)y * (size_t)im->w * 3, NULL);
	png_read_end(r->png, r->info);
	read_exif(r, orientation);
	return 0;
}

int png_decode(struct image *im, int *orientation, const uint8_t *bytes, size_t n, const char *name, struct err *e)
{
	struct reader r = {.bytes = bytes, .n = n};
	int rc;

	r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, fail, warn);
	r.info = r.png ? png_create_info_struct(r.png) : NULL;
	if (r.info)
		rc = decode(&r, im, orientation, name, e);
	else
		rc = err_set(e, ERR_NOMEM, "%s: out of memory", name);
	png_destroy_read_struct(&r.png, &r.info, NULL);
	return rc;
}
