/*
 * expr.h - comparisons in a grid file: `val_acc > 0.85`, `backbone_lr > classifier_lr`, `gap <= 0.08 and val_acc > .8`.
 *
 * Grammar, loosest first: or, and, not, one comparison < <= > >= == !=, + -, * /, unary minus, parentheses, numbers,
 * names. On one side of == or != with a name on the other, a word stands for one of that name's words:
 * `optimizer == sgd`, `nesterov == true`, quotes allowed. Depth and length are capped.
 */
#ifndef SWEEP_GRID_EXPR_H
#define SWEEP_GRID_EXPR_H

#include <stdbool.h>

#include "engine/base/err.h"

#define EXPR_MAX_LENGTH 1000
#define EXPR_MAX_DEPTH  64

struct expr;

/* What an expression may speak of; used while parsing only. word and nearest may be NULL. */
struct expr_names {
	/* Resolves a name to a slot >= 0, or -1 if unknown. */
	int (*resolve)(void *ctx, const char *name);
	/* Value >= 0 that a word has for a slot (an enum's index, true 1, false 0), or -1. */
	int (*word)(void *ctx, int slot, const char *word);
	/* A known name like this unknown one, or NULL; valid until the next call. */
	const char *(*nearest)(void *ctx, const char *name);
	void *ctx;
};

/* Gives the value of a slot while evaluating. */
typedef double (*expr_value)(void *ctx, int slot);

/* Parses text; on failure *x is NULL, e->msg says what (ERR_CONFIG), and *at (if not NULL) is the byte where. */
int expr_parse(struct expr **x, const char *text, const struct expr_names *names, int *at, struct err *e);
/* Value; comparisons and logic give 0 or 1. A NAN on either side of a comparison (also of !=) makes it false. */
double expr_eval(const struct expr *x, expr_value value, void *ctx);
static inline bool expr_true(const struct expr *x, expr_value value, void *ctx)
{
	return expr_eval(x, value, ctx) != 0;
}
/* Whether it is a comparison or logic over such, so that its value is 0 or 1. */
bool expr_is_condition(const struct expr *x);
void expr_free(struct expr *x);

#endif
