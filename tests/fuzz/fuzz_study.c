/* fuzz_study.c - libFuzzer: any bytes as a grid file (and, behind a NUL, as a --set option). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/grid/grid.h"

/* Every cell's key and texts too: what loads must also be usable. */
static void use(const struct study *s)
{
	const struct key_context kc = {"t", "v", "w"};
	char key[TRIAL_KEY_MAX], text[COLUMN_TEXT_MAX];

	for (int i = 0; i < s->n_cells && i < 100; i++) {
		trial_key(key, s, &s->cell[i].setting, s->seed[0], &kc);
		for (int c = 0; c < s->n_columns; c++)
			setting_text(s, &s->cell[i].setting, c, text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = memchr(data, 0, size);
	size_t n = nul ? (size_t)(nul - data) : size;
	char *set = NULL;
	struct study s;
	struct err e;

	if (nul && !(set = strndup((const char *)nul + 1, size - n - 1)))
		return 0;
	if (!study_parse(&s, (const char *)data, n, "g.yaml", (const char *const *)&set, set ? 1 : 0, &e))
		use(&s);
	study_release(&s);
	free(set);
	return 0;
}
