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
	bool features_last; /* nobody launched later reads the features it does (known once weighed) */
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
 * less: nothing at all is shared), and fewer where there would be less than `workers` bundles and `threads` threads, all
 * workers' together, are done sooner with more of them. The order stays but for this: within a seed, trials that start
 * from others come behind those. ERR_NOMEM.
 */
int share_init(struct share *s, const struct plan *p, const int *order, int n, int n_alone, int most, int workers,
	       int threads, struct err *e);
/* Most members of a bundle: what half of the memory holds beside `workers` of them, and no more than pays. */
int share_most(const struct plan *p, int workers, size_t memory);

/* What there is to share, in multiply-adds (a backward pass counted as two forward). */
struct share_sum {
	double macs, reused; /* of all trials, each from its start and alone; of those not computed again */
	int bundles, in_bundles;
	int forks;            /* trials that start behind others' first epochs */
	int extended;         /* ... from the end of shorter runs on disk */
	int feature_sets;     /* computed once ... */
	size_t feature_bytes; /* ... and kept in so much memory */
};
int share_count(struct share_sum *sum, const struct share *s, const struct plan *p, struct err *e);
void share_release(struct share *s); /* accepts a zeroed or half-built one */

#endif
