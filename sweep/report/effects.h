/*
 * effects.h - how much each learning rate, their interaction and the optimizer move a figure (anova.h).
 *
 * A table for each optimizer with both rates crossed, and one with the optimizer as third factor over the rates that all
 * optimizers have in common, if there are two of each. Factors are the rates of the first two groups, as in the heat
 * maps; beside them each optimizer's slopes over the logarithms of the rates (trend.h). Cells that differ in something else are pooled into the error. A rate at which some pair has no complete repeat
 * (diverged, say) is left out, the one with most holes first, and counted: a table with holes has no unique answer.
 * Repeats share seeds between cells; that is not used here, so the tests are on the careful side.
 */
#ifndef SWEEP_REPORT_EFFECTS_H
#define SWEEP_REPORT_EFFECTS_H

#include "sweep/report/anova.h"
#include "sweep/report/summary.h"
#include "sweep/report/trend.h"

struct effects {
	int optimizer;         /* of hyper.def; -1: the table over all of them */
	int metric;            /* METRIC_gap or METRIC_val_acc, at the last epoch */
	int n_x, n_y, dropped; /* levels of the rates that took part, and that did not */
	int n_optimizers;
	struct anova anova; /* factors in order: rate of group 0, rate of group 1, optimizer */
	struct trend
		trend; /* over the same repeats but those with a rate of 0; n is 0 in the table over all optimizers */
};

/* The slope that belongs to an effect of the rates (bits 0 and 1); NAN for others. ci is as in trend.h. */
double effect_slope(struct interval *ci, const struct effects *f, unsigned factors);

#define EFFECTS_MAX 32
/* Fills out and returns how many tables there are (0: the rates are not crossed), or -1 without memory. */
int effects_of(struct effects out[EFFECTS_MAX], const struct summary *s);

/* "backbone_lr", "backbone_lr x classifier_lr", ...: what an effect is called. */
#define EFFECT_NAME_MAX 128
const char *effect_name(char out[EFFECT_NAME_MAX], const struct study *st, unsigned factors);
/* "sgd", or "all" for the table with the optimizer as a factor. */
const char *effects_optimizer(char out[32], const struct effects *f);

/* effects.csv: a row an effect and one for the error. ERR_NOMEM. */
int table_effects(FILE *out, const struct summary *s, struct err *e);

#endif
