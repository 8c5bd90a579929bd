/*
 * runner.h - runs the missing trials of a plan into a run directory.
 */
#ifndef SWEEP_RUN_RUNNER_H
#define SWEEP_RUN_RUNNER_H

#include <stdatomic.h>

#include "sweep/run/plan.h"

/* What a listener hears; calls for one trial come in order, finished() calls one at a time. Any may be NULL. */
struct runner_listener {
	void *ctx;
	void (*started)(void *ctx, int trial);                            /* from any worker */
	void (*epoch)(void *ctx, int trial, const struct epoch_row *row); /* from any worker */
	/* last: the last epoch's figures, NULL if it had none. end->state RUNNING: stopped, to be continued. */
	void (*finished)(void *ctx, int trial, const struct trial_end *end, const struct epoch_row *last);
};

struct runner_result {
	int ran, complete, diverged, failed, stopped;
	int first_failed; /* trial; if any failed ... */
	char reason[256]; /* ... and why */
};

/*
 * Runs p->todo on `workers` threads. A trial that fails (its reason is stored) never stops the others; a run directory
 * that cannot be written does: ERR_IO or ERR_CANTCREAT, and what is finished stays finished. *stop ends it early: every
 * trial under way leaves a checkpoint (also set on a store error, so that the others end). 0 otherwise.
 */
int runner_run(const struct plan *p, const struct store *st, int workers, atomic_bool *stop,
	       const struct runner_listener *l, struct runner_result *result, struct err *e);

#endif
