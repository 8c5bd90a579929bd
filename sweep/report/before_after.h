/*
 * before_after.h - the exercise's table and the answer in a sentence, for a terminal.
 */
#ifndef SWEEP_REPORT_BEFORE_AFTER_H
#define SWEEP_REPORT_BEFORE_AFTER_H

#include "sweep/report/summary.h"

/*
 * Before (baseline), the best single rate if it is another cell, and after (best): Train Acc, Val Acc, Train Loss, Val
 * Loss, gap as mean +- sd over repeats, then the sentences. Train figures are the clean ones (eval mode). A row a cell;
 * where that is wider than `columns`, a row a figure, and as many cells beside each other as fit. 0: any width.
 */
void table_before_after(FILE *out, const struct summary *s, int columns);

#endif
