/* fuzz_data.c - any bytes as images and labels, IDX or npy; see fuzz.h */
#include "engine/data/data.h"
#include "tests/fuzz/fuzz.h"

/* Byte 0 chooses the format and the cuts, byte 1 where images end and labels begin. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const int classes[2] = {1, 0};
	struct data_spec s = {0};
	struct dataset *d;
	struct err e;
	size_t split;

	if (n < 2)
		return 0;
	split = (n - 2) * bytes[1] / 255;
	s.kind = bytes[0] & 1 ? DATA_IDX : DATA_NPY;
	s.n_classes = bytes[0] & 2 ? 2 : 0;
	s.classes = classes;
	s.offset = bytes[0] >> 2 & 3;
	s.per_class = bytes[0] >> 4 & 3;
	s.limit = bytes[0] >> 6 & 3;
	s.images = fuzz_file(0, bytes + 2, split);
	s.labels = fuzz_file(1, bytes + 2 + split, n - 2 - split);
	if (dataset_open(&d, &s, &e))
		return 0;
	if ((size_t)dataset_info(d)->c * (size_t)dataset_info(d)->h * (size_t)dataset_info(d)->w < 1 << 20) {
		float *x = malloc(sizeof(float) << 20);
		int32_t y;

		dataset_gather(d, x, &y, NULL, dataset_info(d)->n - 1, 1, NULL, &e);
		free(x);
	}
	dataset_free(d);
	return 0;
}
