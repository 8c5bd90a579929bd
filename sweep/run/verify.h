/*
 * verify.h - finished trials run again, each on its own, and compared bit for bit with what stands in the run directory.
 */
#ifndef SWEEP_RUN_VERIFY_H
#define SWEEP_RUN_VERIFY_H

#include <stdatomic.h>

#include "sweep/base/num.h"
#include "sweep/run/plan.h"

/* What a second run of a trial came to. */
struct verdict {
	int trial;
	const char *key;
	int epochs;                   /* that were compared */
	bool done;                    /* false: stopped, or it could not be run (why) */
	bool equal;                   /* every metric of every epoch, who was right, and the final weights */
	bool no_hash;                 /* of a version that kept no hash of the weights: these were not compared */
	int epoch;                    /* the first that differs, 0: none does ... */
	char column[COLUMN_NAME_MAX]; /* ... and there this column of epochs.csv ... */
	char was[NUM_MAX], is[NUM_MAX];
	char why[256]; /* in words, "" if equal */
};

struct verify_options {
	const bool *wanted; /* n_trials flags; NULL: all */
	int workers;
	atomic_bool *stop;
	/* one at a time, as they end; never for trials that are not finished */
	void (*said)(void *ctx, const struct verdict *v);
	void *ctx;
};

struct verify_counts {
	int equal, differ, failed, unfinished, stopped;
};

/* ERR_DATA if the plan's data, start weights or numerics are not those that the manifest names. */
int verify_sources(const struct plan *p, const struct store *st, struct err *e);

/*
 * Runs the finished trials again without sharing anything and counts. 0, or ERR_NOMEM. A damaged trial differs; one that
 * cannot be run again is failed.
 */
int verify_trials(const struct plan *p, const struct store *st, const struct verify_options *o,
		  struct verify_counts *counts, struct err *e);

#endif
