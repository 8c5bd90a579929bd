/*
 * plan.h - the trials of a study, which of them are finished, and in what order to start the rest.
 *
 * Trial number = cell * n_seeds + seed's position: it is the same whatever ran before.
 */
#ifndef SWEEP_RUN_PLAN_H
#define SWEEP_RUN_PLAN_H

#include "sweep/run/store.h"

/* What all trials of a study read. */
struct sources {
	struct dataset *train, *val;
	struct weights *weights; /* NULL: none given */
	struct key_context keys; /* hashes of the three, owned by them */
};
int sources_open(struct sources *src, const struct study *s, struct err *e);
/* Accepts a zeroed one. */
void sources_release(struct sources *src);

struct plan_trial {
	char key[TRIAL_KEY_MAX];
	bool twin;       /* a trial before it has the same key: it never runs itself */
	int from_epochs; /* it may go on from the end of a shorter run, kept on disk, of so many epochs; 0: none ... */
	char from[TRIAL_KEY_MAX]; /* ... that is this one */
	bool damaged;             /* its files, as plan_look() found them */
	enum trial_state state;   /* as plan_look() found it; WAITING before */
};

struct plan {
	const struct study *study;
	struct sources src;
	int n_trials;
	struct plan_trial *trial;
	int n_todo; /* trials to run, in launch order; all before plan_look() */
	int *todo;
	int n_extended;       /* of todo: go on from the end of a shorter run ... */
	int n_anew;           /* ... or could, if their schedule did not depend on the number of epochs */
	int n_finished;       /* COMPLETE, PRUNED or DIVERGED */
	size_t trial_bytes;   /* memory that the largest trial allocates (of a sample of cells if they are many) ... */
	size_t sharing_bytes; /* ... and one that shares its frozen layers, beside the first; 0: none shares */
	size_t state_bytes;   /* the largest checkpoint */
};

/* Opens data and weights, checks a sample of cells against the engine, computes all keys. s must outlive the plan. */
int plan_open(struct plan *p, const struct study *s, struct err *e);
/* Accepts a zeroed, half-built or released one. */
void plan_release(struct plan *p);

/*
 * Looks into a run directory: what is unfinished, failed or damaged there is to do (damage is counted in *damaged, the
 * last message is in e). wanted (n_trials flags, or NULL) restricts todo. Launch order: the first seed of every cell,
 * then the second ..., so that a sweep that is stopped covers the whole grid; the baseline first in each round.
 */
int plan_look(struct plan *p, const struct store *st, const bool *wanted, int *damaged, struct err *e);

/* Cell and seed of a trial, and the engine's spec of it. */
const struct cell *plan_cell(const struct plan *p, int trial);
uint64_t plan_seed(const struct plan *p, int trial);
void plan_spec(struct trial_spec *ts, const struct plan *p, int trial);

/* Flags of the trials that a list like "3,7-12,40" names (malloc'ed, n_trials of them). */
int plan_select(bool **wanted, const struct plan *p, const char *list, struct err *e);

#endif
