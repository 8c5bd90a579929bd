/* png.c - see png.h; the one user of libpng's writing side */
#include "sweep/report/png.h"

#include <png.h>
#include <stdlib.h>

#include "engine/base/file.h"

int png_replace(const char *path, const uint8_t *pixel, int w, int h, int channels, struct err *e)
{
	png_image image = {.version = PNG_IMAGE_VERSION,
			   .width = (png_uint_32)w,
			   .height = (png_uint_32)h,
			   .format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB};
	png_alloc_size_t n = 0;
	void *bytes = NULL;
	int rc = 0;

	if (png_image_write_to_memory(&image, NULL, &n, 0, pixel, 0, NULL))
		bytes = malloc(n);
	if (!bytes || !png_image_write_to_memory(&image, bytes, &n, 0, pixel, 0, NULL))
		rc = err_set(e, ERR_NOMEM, "%s: cannot make the picture: %s", path,
			     *image.message ? image.message : "out of memory");
	if (!rc)
		rc = file_replace(path, bytes, n, e);
	png_image_free(&image);
	free(bytes);
	return rc;
}
