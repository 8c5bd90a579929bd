/* fuzz_records.c - any bytes as result.json (byte 0 even) or manifest.json (odd); what is read is written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/run/records.h"

#define KEY "0123456789abcdef"

static void again(const char *text)
{
	struct trial_end end;
	uint64_t hash;
	struct err e;

	if (!text || result_parse(&end, &hash, text, KEY, "again", &e))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char *text = n ? strndup((const char *)bytes + 1, n - 1) : NULL;
	struct trial_end end = {0};
	struct manifest m;
	uint64_t hash;
	struct err e;

	if (!text)
		return 0;
	if (bytes[0] & 1) {
		if (!manifest_parse(&m, text, "manifest.json", &e))
			manifest_release(&m);
	} else if (!result_parse(&end, &hash, text, KEY, "result.json", &e)) {
		char *written = result_write(&end, KEY, hash);

		again(written);
		free(written);
	}
	free(text);
	return 0;
}
