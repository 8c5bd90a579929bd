/* fuzz_expr.c - libFuzzer: any bytes as an expression. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/grid/expr.h"

static int resolve(void *ctx, const char *name)
{
	return (void)ctx, name[0] >= 'a' && name[0] <= 'f' && !name[1] ? name[0] - 'a' : -1;
}

static int word(void *ctx, int slot, const char *w)
{
	return (void)ctx, !strcmp(w, "sgd") ? slot : -1;
}

static double value(void *ctx, int slot)
{
	return (void)ctx, slot;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct expr_names names = {.resolve = resolve, .word = word};
	char *text = strndup((const char *)data, size);
	struct expr *x = NULL;
	struct err e;
	int at = -1;

	if (text && expr_parse(&x, text, &names, &at, &e) && (at < 0 || at > (int)strlen(text)))
		abort();
	if (x)
		expr_eval(x, value, NULL);
	expr_free(x);
	free(text);
	return 0;
}
