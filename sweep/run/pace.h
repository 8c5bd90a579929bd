/*
 * pace.h - how trials use the machine best, measured before they begin: many at a time on a thread each, or fewer on more
 * threads, where these share caches and memory better.
 */
#ifndef SWEEP_RUN_PACE_H
#define SWEEP_RUN_PACE_H

#include <stdatomic.h>

#include "sweep/run/plan.h"

struct pace {
	int workers;   /* trials at a time */
	double images; /* a second, of all of them, in training */
};
#define PACE_MOST 16

/*
 * Trains the widest trial that is to run for some steps, with `workers`, workers / 2, ... and 1 of it at a time on `threads`
 * threads in all, in turn; medians. *n ways, pace[0] the one with most workers. *n is 0 where that would take more than a hundredth of
 * what the sweep will (by its multiply-adds, before a trial is made; then by a first step), or *stop became true.
 * ERR_NOMEM, or what the trial fails with.
 */
int pace_measure(struct pace pace[PACE_MOST], int *n, const struct plan *p, int workers, int threads,
		 const atomic_bool *stop, struct err *e);

/* The fastest of n >= 1; as many workers as possible, unless fewer are faster by more than noise. */
const struct pace *pace_best(const struct pace *pace, int n);

#endif
