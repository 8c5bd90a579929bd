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
 * - A cell is like the best (like_best) if it is the best, or if the paired t test of the study's metric between the
 *   two, corrected by Holm over all cells, does not tell them apart at 5 %. A cell with fewer than two common repeats
 *   is not in the group: nothing is known of it. The best is chosen by the same figures, so the test is a little too
 *   eager to tell cells from it; few repeats make it far too reluctant.
 * - The best single rate (single) is the best cell, ranked in the same way, of those that give every group the same
 *   rate, not 0: what a reader asks for who doubts that two rates are needed.
 */
#ifndef SWEEP_REPORT_SUMMARY_H
#define SWEEP_REPORT_SUMMARY_H

#include "sweep/report/infer.h"
#include "sweep/report/results.h"
#include "sweep/report/stats.h"

enum { DIFF_GAP, DIFF_VAL_ACC, N_DIFFS };

/* A paired difference and what a paired t test says of it (infer.h). */
struct difference {
	struct estimate d;
	double p, holm; /* holm: corrected over the differences of one figure between all cells and the same cell */
};

struct cell_summary {
	int n, n_diverged, n_failed, n_pruned, n_open; /* repeats: complete, ...; open = waiting or running */
	int diverged_from, diverged_to;                /* epochs of the first and the last divergence; 0: none */
	struct estimate metric[N_METRICS];
	struct estimate best_gap;           /* the gap at each repeat's epoch of the best val_acc */
	struct estimate at_gap, at_val_acc; /* at equal training accuracy (results_at_train_acc); n may be less */
	double met_share;                   /* NAN if no repeat completed or diverged */
	struct interval met_ci;             /* Wilson's, 95 % */
	bool feasible;
	struct difference to_baseline[N_DIFFS], to_best[N_DIFFS];
	struct difference metric_to_best; /* of the study's metric */
	bool like_best;
};

struct summary {
	const struct results *results;
	struct cell_summary *cell;                 /* study->n_cells */
	int baseline;                              /* cell number, or -1 */
	int best;                                  /* or -1 if no trial has completed */
	int single;                                /* or -1 if no cell with one rate for all groups has completed */
	struct difference best_to_single[N_DIFFS]; /* best - single, paired; no test among many: holm is p */
	int metric;                                /* what `best` is judged by, and which way */
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
/* The best against the best single rate, in a sentence; "" if there is none, or it is the best itself. */
void summary_single_sentence(char out[SENTENCE_MAX], const struct summary *s);

#endif
