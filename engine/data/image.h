/*
 * image.h - inside data/: JPEG and PNG files as RGB bytes, equal to Pillow's Image.open(path).convert("RGB").
 *
 * Grey becomes three equal channels, palettes their colours, alpha is dropped (not blended), CMYK is taken as Adobe's
 * inverted one, 16-bit samples keep their upper byte. One rule differs from Pillow's, which clips 16-bit *grey* at 255
 * and so turns most such pictures white: here they keep their upper byte as well.
 * What a file is decides its first bytes, not its name.
 */
#ifndef ENGINE_DATA_IMAGE_H
#define ENGINE_DATA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

struct image {
	int h, w, c;
	uint8_t *px; /* [h][w][c], malloc'ed; NULL: none */
};
void image_release(struct image *im);

/*
 * Decodes a file of RGB (c is always 3). exif: turned and mirrored as its EXIF orientation says. ERR_DATA with the path
 * for anything that is no whole JPEG or PNG or has more than IMAGE_MAX_PIXELS; *im is empty then.
 */
#define IMAGE_MAX_PIXELS (1 << 26)
#define IMAGE_MAX_FILE   ((size_t)256 << 20)
int image_read(struct image *im, const char *path, bool exif, struct err *e);
/* The same for bytes in memory; name stands in messages. */
int image_decode(struct image *im, const uint8_t *bytes, size_t n, const char *name, bool exif, struct err *e);

/* ---- the decoders; orientation: 1..8, or 1 if the file has none ---- */

int jpeg_decode(struct image *im, int *orientation, const uint8_t *bytes, size_t n, const char *name, struct err *e);
int png_decode(struct image *im, int *orientation, const uint8_t *bytes, size_t n, const char *name, struct err *e);
/* Allocates px for h, w and c; refuses no or too many pixels. */
int image_alloc(struct image *im, int64_t h, int64_t w, int c, const char *name, struct err *e);
/* The orientation in a block of TIFF tags (EXIF without its "Exif\0\0"); 1 if there is none or it makes no sense. */
int exif_orientation(const uint8_t *tiff, size_t n);
/* Turns and mirrors so that an image of this orientation stands upright (ERR_NOMEM). */
int image_orient(struct image *im, int orientation, const char *name, struct err *e);

#endif
