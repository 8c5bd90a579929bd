/* image.c - see image.h */
#include "engine/data/image.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"

void image_release(struct image *im)
{
	free(im->px);
	*im = (struct image){0};
}

int image_alloc(struct image *im, int64_t h, int64_t w, int c, const char *name, struct err *e)
{
	if (h < 1 || w < 1 || h > IMAGE_MAX_PIXELS || w > IMAGE_MAX_PIXELS || h * w > IMAGE_MAX_PIXELS)
		return err_set(e, ERR_DATA, "%s: %lld x %lld pixels; expected 1 to %d in all", name, (long long)w,
			       (long long)h, IMAGE_MAX_PIXELS);
	im->h = (int)h;
	im->w = (int)w;
	im->c = c;
	im->px = malloc((size_t)(h * w) * (size_t)c);
	if (!im->px)
		return err_set(e, ERR_NOMEM, "%s: out of memory for %lld x %lld pixels", name, (long long)w,
			       (long long)h);
	return 0;
}

/* ---- orientation ------------------------------------------------------------------------------------------ */

static unsigned number(const uint8_t *b, int bytes, bool little)
{
	unsigned v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (unsigned)b[i] << 8 * (little ? i : bytes - 1 - i);
	return v;
}

int exif_orientation(const uint8_t *tiff, size_t n)
{
	bool little = n >= 2 && tiff[0] == 'I';
	size_t at, entries;

	if (n < 8 || (memcmp(tiff, "II*\0", 4) && memcmp(tiff, "MM\0*", 4)))
		return 1;
	at = number(tiff + 4, 4, little);
	if (at > n - 2)
		return 1;
	entries = number(tiff + at, 2, little);
	for (at += 2; entries && n - at >= 12; entries--, at += 12)
		if (number(tiff + at, 2, little) == 0x0112 && number(tiff + at + 2, 2, little) == 3) {
			unsigned v = number(tiff + at + 8, 2, little);

			return v >= 1 && v <= 8 ? (int)v : 1;
		}
	return 1;
}

/* 5..8 lie on their side; the file's rows and columns run backwards where the two say so. */
int image_orient(struct image *im, int o, const char *name, struct err *e)
{
	bool side = o >= 5;
	bool back_rows = o == 3 || o == 4 || o == 6 || o == 7;
	bool back_cols = o == 2 || o == 3 || o == 7 || o == 8;
	struct image out = {0};
	size_t c = (size_t)im->c;
	uint8_t *to;
	int rc;

	if (o <= 1)
		return 0;
	rc = image_alloc(&out, side ? im->w : im->h, side ? im->h : im->w, im->c, name, e);
	if (rc)
		return rc;
	to = out.px;
	for (int y = 0; y < out.h; y++)
		for (int x = 0; x < out.w; x++, to += c) {
			int row = side ? x : y;
			int col = side ? y : x;

			row = back_rows ? im->h - 1 - row : row;
			col = back_cols ? im->w - 1 - col : col;
			memcpy(to, im->px + ((size_t)row * (size_t)im->w + (size_t)col) * c, c);
		}
	image_release(im);
	*im = out;
	return 0;
}

/* ---- any file --------------------------------------------------------------------------------------------- */

int image_decode(struct image *im, const uint8_t *bytes, size_t n, const char *name, bool exif, struct err *e)
{
	int orientation = 1;
	int rc;

	*im = (struct image){0};
	if (n >= 2 && bytes[0] == 0xff && bytes[1] == 0xd8)
		rc = jpeg_decode(im, &orientation, bytes, n, name, e);
	else if (n >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8))
		rc = png_decode(im, &orientation, bytes, n, name, e);
	else if (!n)
		rc = err_set(e, ERR_DATA, "%s: an empty file; expected a JPEG or PNG image", name);
	else
		rc = err_set(e, ERR_DATA, "%s: neither a JPEG nor a PNG image (its first byte is 0x%02x)", name,
			     bytes[0]);
	if (!rc && exif)
		rc = image_orient(im, orientation, name, e);
	if (rc)
		image_release(im);
	return rc;
}

int image_read(struct image *im, const char *path, bool exif, struct err *e)
{
	char *bytes;
	size_t n;
	int rc = file_read(&bytes, &n, path, IMAGE_MAX_FILE, e);

	*im = (struct image){0};
	if (rc)
		return rc;
	rc = image_decode(im, (const uint8_t *)bytes, n, path, exif, e);
	free(bytes);
	return rc;
}
