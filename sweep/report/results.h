/*
 * results.h - what came of a sweep, in memory: every trial of the study with its state and epoch rows.
 *
 * report/load.c fills one from a run directory; tests fill one with made-up rows. Everything else of the report works
 * on this alone.
 */
#ifndef SWEEP_REPORT_RESULTS_H
#define SWEEP_REPORT_RESULTS_H

#include "sweep/base/num.h"
#include "sweep/grid/grid.h"
#include "sweep/grid/metric.h"
#include "sweep/run/store.h"

struct result_trial {
	int cell, repeat;
	uint64_t seed;
	char key[TRIAL_KEY_MAX];
	struct trial_end end; /* .state counts; the rest is empty while unfinished */
	int n_rows;
	double *row; /* owned; packed, see results_row() */
	int best;    /* row with the best val_acc, the first in ties; -1 if none */
	bool met;    /* the last row meets all constraints */
};

struct results {
	const struct study *study;       /* the caller's */
	const struct manifest *manifest; /* the caller's; NULL if unknown */
	const struct store *store;       /* the caller's, for correct.bits; NULL: in memory only */
	int n_trials;                    /* cells x seeds; trial number = cell * n_seeds + repeat */
	struct result_trial *trial;
};

/* All trials WAITING, without keys or rows. */
int results_init(struct results *r, const struct study *s, struct err *e);
void results_release(struct results *r); /* accepts a zeroed or half-built one */

/* Replaces a trial's rows by a packed copy of these (15 numbers for two groups; a struct epoch_row has room for 16). */
int results_set_rows(struct results *r, int trial, const struct epoch_row *row, int n, struct err *e);
/* Row i of a trial unpacked; train_s and eval_s are 0, groups beyond the study's are not filled. */
void results_row(const struct results *r, int trial, int i, struct epoch_row *row);
/* A metric in row i. */
double results_metric(const struct results *r, int trial, int i, int metric);

/* The last row whose three losses are finite; -1 if none is. */
int results_last_finite(const struct results *r, int trial);

/*
 * Where the clean train accuracy first reaches `acc`, between the two epochs around it: linear in the epoch, so that a
 * fast learner is compared with a slow one at equal training accuracy. All NAN if it never does, or if the first epoch
 * is already above (what it was before is not known).
 */
struct at_acc {
	double epoch, gap, val_acc;
};
struct at_acc results_at_train_acc(const struct results *r, int trial, double acc);

/* Whether the metrics meet every constraint of the study; one that is NAN meets none that names it. */
bool results_meet(const struct study *s, const double metric[N_METRICS]);

/* True if the trial ran to its end and so takes part in means. */
static inline bool result_complete(const struct result_trial *t)
{
	return t->end.state == STATE_COMPLETE && t->n_rows > 0;
}

/* A learning rate as people write it: 0, 3e-4, 1e-2, 0.1; three digits at most. */
const char *rate_text(char out[NUM_MAX], double rate);

/*
 * How a cell is called in charts and tables: its optimizer and the groups' rates, "sgd 3e-4 / 3e-2", then every other
 * axis that varies, " momentum=0.9". One line without double quotes, so that gnuplot can read it from a csv file.
 */
#define CELL_LABEL_MAX 256
const char *cell_label(char out[CELL_LABEL_MAX], const struct study *s, int cell);

/* Whether a column takes more than one value over the cells. */
bool column_varies(const struct study *s, int column);

#endif
