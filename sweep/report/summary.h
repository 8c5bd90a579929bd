/*
 * summary.h - the statistics of every cell, and which cell is the answer.
 *
 * Means are over the COMPLETE repeats of a cell, at their last epoch. Diverged repeats are counted, not averaged.
 * - A trial meets the constraints if its last epoch's figures do.
 * - A cell is feasible if the means of its figures meet them, it has at least one complete repeat and none diverged.
 *   How many single repeats met them is told beside it (met_share: of those that completed or diverged).
 * - The best cell is the feasible one with the best mean of the study's metric, the first in ties; if no cell is
 *   feasible, the best of all cells with a complete repeat (without diverged ones, if there is such), and `none_meets`.
 * - Differences are paired: the mean over seeds of (this cell - that cell), where both completed that seed.
 */
#ifndef SWEEP_REPORT_SUMMARY_H
#define SWEEP_REPORT_SUMMARY_H

#include "sweep/report/results.h"
#include "sweep/report/stats.h"

enum { DIFF_GAP, DIFF_VAL_ACC, N_DIFFS };

struct cell_summary {
	int n, n_diverged, n_failed, n_pruned, n_open; /* repeats: complete, ...; open = waiting or running */
	struct estimate metric[N_METRICS];
	double met_share; /* NAN if no repeat completed or diverged */
	bool feasible;
	struct estimate to_baseline[N_DIFFS], to_best[N_DIFFS];
};

struct summary {
	const struct results *results;
	struct cell_summary *cell; /* study->n_cells */
	int baseline;              /* cell number, or -1 */
	int best;                  /* or -1 if no trial has completed */
	int metric;                /* what `best` is judged by, and which way */
	bool maximize;
	bool none_meets; /* there are constraints and no cell is feasible */
	int by_state[STATE_FAIL + 1];
};

int summary_init(struct summary *s, const struct results *r, struct err *e);
void summary_release(struct summary *s); /* accepts a zeroed one */

/* "87.3 ± 0.2" (mean and sd, each times scale), "87.3" for one value, "–" for none; UTF-8. */
#define ESTIMATE_MAX 64
const char *estimate_text(char out[ESTIMATE_MAX], const struct estimate *v, double scale, int digits);

/*
 * The answer in one sentence: which cell, gap before and after, and whether the constraints hold. Plain UTF-8 text.
 */
#define SENTENCE_MAX 1024
void summary_sentence(char out[SENTENCE_MAX], const struct summary *s);

#endif
