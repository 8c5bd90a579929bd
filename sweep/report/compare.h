/*
 * compare.h - several runs side by side: the same cells, matched by their settings, and the same seeds.
 *
 * Every run after the first is compared with the first. Two cells match if every hyperparameter and each group's
 * rate and weight decay (by the group's name) are equal; data, weights and model may differ: that is what one compares.
 * A difference is run - first, paired over the seeds that both completed, with its 95 % t interval, the paired t test's
 * p and Holm's correction over the cells of that run (infer.h).
 */
#ifndef SWEEP_REPORT_COMPARE_H
#define SWEEP_REPORT_COMPARE_H

#include <stdio.h>

#include "sweep/report/summary.h"

enum { COMPARE_MAX_RUNS = 8 };

struct compared_run {
	const char *name; /* as the user gave it */
	const struct summary *s;
};

struct compared_cell {
	int cell[COMPARE_MAX_RUNS];                        /* its number in each run; -1: not there */
	struct difference diff[COMPARE_MAX_RUNS][N_DIFFS]; /* [0] is unused */
};

struct comparison {
	int n_runs;
	struct compared_run run[COMPARE_MAX_RUNS];
	int n_cells; /* cells of the first run that some other has too */
	struct compared_cell *cell;
	int n_alone[COMPARE_MAX_RUNS]; /* cells of a run that do not match */
};

int comparison_init(struct comparison *c, const struct compared_run *run, int n_runs, struct err *e);
void comparison_release(struct comparison *c);

/* What the runs have not in common (versions, machine, hashes of data and weights, grid file), and the cells, as text. */
void comparison_print(FILE *out, const struct comparison *c);
/* compare.csv, a row a cell and run. */
void comparison_csv(FILE *out, const struct comparison *c);

/*
 * Writes compare.csv, compare.html and plots/gap_difference.{csv,gp,svg,png} into dir, which is made if it is missing.
 * ERR_UNAVAILABLE: everything but the chart is there.
 */
int comparison_write(const char *dir, const struct comparison *c, struct err *e);

#endif
