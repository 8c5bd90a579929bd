/*
 * pictures.h - for unit tests of images: PNG files of any kind written by libpng, and Pillow's bytes of committed ones.
 */
#ifndef TESTS_UNIT_PICTURES_H
#define TESTS_UNIT_PICTURES_H

#include <png.h>

#include "engine/base/file.h"
#include "tests/unit/scratch.h"

#define PICTURES "tests/parity/fixtures/images/"

/* What a PNG is written with; 0 and NULL where that is PNG's usual. */
struct png_kind {
	int depth, type; /* 8, PNG_COLOR_TYPE_RGB */
	bool interlaced;
	int n_palette;
	const png_color *palette;
};

/* scratch_dir/name: h rows of bytes as the kind packs them. */
static inline const char *write_png(const char *name, int h, int w, struct png_kind kind, const uint8_t *bytes)
{
	const char *path = scratch_path(name);
	FILE *f = fopen(path, "wb");
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png_create_info_struct(png);
	int passes;

	if (!f || setjmp(png_jmpbuf(png)))
		abort();
	png_init_io(png, f);
	png_set_IHDR(png, info, (png_uint_32)w, (png_uint_32)h, kind.depth ? kind.depth : 8,
		     kind.type || kind.depth ? kind.type : PNG_COLOR_TYPE_RGB,
		     kind.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
		     PNG_FILTER_TYPE_DEFAULT);
	if (kind.palette)
		png_set_PLTE(png, info, kind.palette, kind.n_palette);
	png_write_info(png, info);
	passes = png_set_interlace_handling(png);
	for (int p = 0; p < passes; p++)
		for (int y = 0; y < h; y++)
			png_write_row(png, bytes + (size_t)y * png_get_rowbytes(png, info));
	png_write_end(png, NULL);
	png_destroy_write_struct(&png, &info);
	fclose(f);
	return path;
}

/* A PNG whose pixels are a function of the seed: byte i is seed + 7 i. */
static inline const char *write_rgb(const char *name, int h, int w, int seed)
{
	uint8_t *px = malloc((size_t)(h * w * 3));
	const char *path;

	for (int i = 0; i < h * w * 3; i++)
		px[i] = (uint8_t)(seed + 7 * i);
	path = write_png(name, h, w, (struct png_kind){0}, px);
	free(px);
	return path;
}

#endif
