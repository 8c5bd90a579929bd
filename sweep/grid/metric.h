/*
 * metric.h - the figures of an epoch by name: what `metric:` and `constraints:` may speak of, and the columns of every
 * table. The one list of them.
 */
#ifndef SWEEP_GRID_METRIC_H
#define SWEEP_GRID_METRIC_H

#include <stdbool.h>

#include "engine/engine.h"

/*     name             value from `const struct epoch_row *r`       help */
#define METRICS(M)                                                                                                \
	M(train_loss, r->train_loss, "cross-entropy over the epoch's steps, in train mode")                       \
	M(train_acc, r->train_acc, "accuracy over the epoch's steps, in train mode")                              \
	M(train_eval_loss, r->train_eval_loss, "cross-entropy on the training set after the epoch, in eval mode") \
	M(train_eval_acc, r->train_eval_acc, "accuracy on the training set after the epoch, in eval mode")        \
	M(val_loss, r->val_loss, "cross-entropy on the validation set after the epoch, in eval mode")             \
	M(val_acc, r->val_acc, "accuracy on the validation set after the epoch, in eval mode")                    \
	M(gap, r->train_eval_acc - r->val_acc, "train_eval_acc - val_acc: same weights, same mode")               \
	M(gap_loss, r->val_loss - r->train_eval_loss, "val_loss - train_eval_loss")                               \
	M(gap_running, r->train_acc - r->val_acc, "train_acc - val_acc: as the epoch lines show it")

enum metric {
#define M(name, value, help) METRIC_##name,
	METRICS(M)
#undef M
		N_METRICS
};

const char *metric_name(int metric);
const char *metric_help(int metric);
/* Its number, or -1. */
int metric_find(const char *name);
/* NAN where one of the figures it is made from is NAN. */
double metric_value(const struct epoch_row *r, int metric);
/* Accuracies are better when larger; losses and gaps when smaller. */
bool metric_larger_is_better(int metric);

#endif
