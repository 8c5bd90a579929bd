/*
 * epochs.h - the text of epochs.csv: `epoch`, every metric of metric.h, then per group
 * `lr_NAME,grad_norm_NAME,update_ratio_NAME,drift_NAME`. Numbers read back to the same bits.
 */
#ifndef SWEEP_RUN_EPOCHS_H
#define SWEEP_RUN_EPOCHS_H

#include <stdio.h>

#include "engine/engine.h"
#include "sweep/grid/grid.h"

void epochs_header(FILE *out, const struct study *s);
void epochs_row(FILE *out, const struct epoch_row *row, int n_groups);

/*
 * Bytes of the header line and the first `rows` rows; 0 if the header is not this study's or fewer whole rows stand.
 * A row is whole when its newline is there.
 */
size_t epochs_extent(const char *bytes, size_t n, const struct study *s, int rows);

/*
 * Rows of a file's bytes; *row is malloc'ed (NULL if none). A torn last row is left out. train_s and eval_s are 0, groups
 * beyond the study's are not filled. Gaps are not read: they follow from the rest. ERR_DATA names path and what is wrong;
 * *row is NULL then.
 */
int epochs_parse(struct epoch_row **row, int *n_rows, const char *bytes, size_t n, const struct study *s,
		 const char *path, struct err *e);

#endif
