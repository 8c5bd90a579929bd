/*
 * expr.h - comparisons in a grid file: `val_acc > 0.85`, `backbone_lr > classifier_lr`, `gap <= 0.08 and val_acc > .8`.
 *
 * Grammar: or, and, not, the comparisons < <= > >= == !=, + - * /, unary minus, parentheses, numbers, names, and words
 * in quotes or bare enum words where a name is compared with one (optimizer == sgd). Depth and length are capped.
 */
#ifndef SWEEP_GRID_EXPR_H
#define SWEEP_GRID_EXPR_H

#include <stdbool.h>

#include "engine/base/err.h"

struct expr;
/* Resolves a name to a slot >= 0, or -1 if unknown. Called while parsing. */
typedef int (*expr_resolve)(void *ctx, const char *name);
/* Gives the value of a slot while evaluating. */
typedef double (*expr_value)(void *ctx, int slot);

/* Parses text; on failure *x is NULL, e->msg says what, and *at (if not NULL) is the byte where. */
int expr_parse(struct expr **x, const char *text, expr_resolve resolve, void *ctx, int *at, struct err *e);
/* Value; comparisons and logic give 0 or 1. A NAN on either side of a comparison makes it false. */
double expr_eval(const struct expr *x, expr_value value, void *ctx);
static inline bool expr_true(const struct expr *x, expr_value value, void *ctx)
{
	return expr_eval(x, value, ctx) != 0;
}
void expr_free(struct expr *x);

#endif
