/* fuzz_weights.c - any bytes as a safetensors file; see fuzz.h */
#include "engine/net/weights.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	uint8_t file[1 << 16];
	struct weights *w;
	struct err e;

	if (n < 1 || n + 7 > sizeof(file))
		return 0;
	memset(file, 0, 8);
	if (bytes[0] & 1) { /* a right length, so that the header is reached: the rest minus up to 127 bytes of data */
		size_t len = n - 1 > bytes[0] >> 1 ? n - 1 - (bytes[0] >> 1) : 0;

		memcpy(file, &len, 8);
		memcpy(file + 8, bytes + 1, n - 1);
		n += 7;
	} else {
		memcpy(file, bytes + 1, --n);
	}
	if (!weights_open(&w, fuzz_file(0, file, n), &e))
		weights_free(w);
	return 0;
}
