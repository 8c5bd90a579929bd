/*
 * runner.h - runs the missing trials of a plan into a run directory.
 */
#ifndef SWEEP_RUN_RUNNER_H
#define SWEEP_RUN_RUNNER_H

#include <stdatomic.h>

#include "sweep/run/plan.h"
#include "sweep/run/watch.h"

/* What a listener hears; calls for one trial come in order, finished() calls one at a time. Any may be NULL. */
struct runner_listener {
	void *ctx;
	void (*started)(void *ctx, int trial);                            /* from any worker */
	void (*epoch)(void *ctx, int trial, const struct epoch_row *row); /* from any worker */
	/* last: the last epoch's figures, NULL if it had none. end->state RUNNING: stopped, to be continued. */
	void (*finished)(void *ctx, int trial, const struct trial_end *end, const struct epoch_row *last);
	/* n trials in a row failed for the same reason: no more are started */
	void (*gave_up)(void *ctx, int n, const char *reason);
};

struct runner_options {
	int workers;       /* bundles at a time */
	int threads;       /* in all; 0: as many as workers */
	size_t memory;     /* for all bundles under way and twice `kept`; 0: no limit. A bundle alone may have all. */
	int most_together; /* trials that may share frozen layers in one bundle; 1 or less: nothing is shared */
	struct features *features; /* NULL: none are kept */
	size_t kept;           /* most that features, and as much that states which trials start from, may take of it */
	double checkpoint_s;   /* a checkpoint at the end of an epoch, so long after the last one; 0: 60 s ... */
	int checkpoint_epochs; /* ... or, if not 0, after so many epochs */
	const struct watch *watch; /* NULL: no supervisor */
};

struct runner_result {
	int ran, complete, diverged, failed, stopped;
	bool gave_up;     /* too many failed in a row: the rest was not started */
	int first_failed; /* trial; if any failed ... */
	char reason[256]; /* ... and why */
};

/*
 * Runs p->todo in bundles: the first seed of every cell before the second, the baseline first in each round, then what takes
 * longest; a bundle begins when what it needs (its trials' blocks and checkpoints, known beforehand) fits in beside those
 * under way. ERR_NOMEM, before anything begins, if a trial does not fit alone.
 *
 *  A trial that fails (its reason is stored) never stops the others; a run directory
 * that cannot be written does: ERR_IO or ERR_CANTCREAT, and what is finished stays finished. *stop ends it early: every
 * trial under way leaves a checkpoint (also set on a store error, so that the others end). 0 otherwise.
 *
 * Under a supervisor: trials that failed earlier in the same command are counted, not run; those that saw two runners die
 * run alone, one after the other, before the rest; one that saw three is FAIL. No trial is started when less time is left
 * than the longest epoch so far took. FAILURES_IN_A_ROW failures with the same first words end it, and so do not
 * start the rest.
 */
#define FAILURES_IN_A_ROW 5
int runner_run(const struct plan *p, const struct store *st, const struct runner_options *o, atomic_bool *stop,
	       const struct runner_listener *l, struct runner_result *result, struct err *e);

#endif
