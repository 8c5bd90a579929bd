/* fuzz_image.c - any bytes as a JPEG or PNG image, decoded, turned and resized; see fuzz.h */
#include "engine/data/image.h"
#include "engine/data/transform.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	const struct transform t = {{7, 0}, {5, 9}};
	struct image im, small;
	struct err e;

	if (image_decode(&im, bytes, n, "fuzz", true, &e))
		return 0;
	if (!transform_apply(&small, &t, im.px, im.h, im.w, im.c, 1, "fuzz", &e))
		image_release(&small);
	image_release(&im);
	return 0;
}
