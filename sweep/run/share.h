/*
 * share.h - which trials share work: bundles, whose members run their frozen layers once for all, and stages, first epochs
 * that several trials have in common and only one runs.
 */
#ifndef SWEEP_RUN_SHARE_H
#define SWEEP_RUN_SHARE_H

#include "sweep/run/plan.h"

/* Trials number first .. first + n - 1 of the order: they share frozen layers and run in step. */
struct bundle {
	int first, n;
};

/* Where a trial begins. */
struct fork {
	int parent; /* trial whose state after `epochs` epochs it starts from; -1: none */
	int epochs;
	int depth; /* how many stages lie before it: never in one bundle with a trial it waits for */
};

struct share {
	int n;      /* trials ... */
	int *order; /* ... in launch order, bundle by bundle */
	int n_bundles, n_alone;
	struct bundle *bundle;
	struct fork *fork; /* [plan's trials] */
};

/*
 * order[0..n-1]: the trials to run; the first n_alone of them share nothing. Bundles have at most `most` members (1 or
 * less: nothing at all is shared), and fewer where there would be less than `workers` bundles. The order stays but for
 * this: within a seed, trials that start from others come behind those. ERR_NOMEM.
 */
int share_init(struct share *s, const struct plan *p, const int *order, int n, int n_alone, int most, int workers,
	       struct err *e);
void share_release(struct share *s); /* accepts a zeroed or half-built one */

#endif
