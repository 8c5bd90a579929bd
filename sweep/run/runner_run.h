/*
 * runner_run.h - what runner.c (which trials run, and when) and runner_run.c (those of one bundle under way) share.
 */
#ifndef SWEEP_RUN_RUNNER_RUN_H
#define SWEEP_RUN_RUNNER_RUN_H

#include "sweep/run/runner.h"
#include "sweep/run/share.h"
#include "sweep/run/stages.h"

struct run;

struct runner {
	const struct plan *plan;
	const struct store *store;
	const struct runner_listener *listener;
	struct runner_result *result;
	const struct runner_options *o;
	const struct watch *watch;
	struct share share;
	struct stages *stages; /* NULL: nothing is shared */
	int first;             /* bundle that job() number 0 is */
	struct run **run;      /* a worker's bundle, from job() to done() */
	size_t *bytes;         /* that each bundle needs */
	int threads;           /* in all */
	atomic_bool *stop;
	atomic_bool no_more;    /* what runs ends, nothing else begins */
	atomic_bool no_memory;  /* a bundle was not begun for want of it */
	_Atomic double epoch_s; /* the longest so far */
	struct suspect streak;  /* failures in a row */
	int rc;
	struct err *e;
};

/* One trial under way, and what job() tells done() of it. */
struct run {
	struct runner *r;
	struct trial *trial;
	const struct bundle *bundle;
	struct team *team; /* of the bundle */
	struct trial_log log;
	int number;
	double began_s;
	void *state; /* where it goes on from, until it has a trial; NULL: its start */
	size_t state_bytes;
	bool from_stage; /* that state is the stages', not its own */
	void *block;     /* room for a checkpoint, made when first needed */
	double checkpointed_s;
	int checkpointed; /* epochs that stood then */
	struct trial_end end;
	bool waits;            /* it is ready, and has no trial yet */
	struct epoch_row last; /* epoch 0: none */
	int store_rc;          /* the run directory failed ... */
	struct err store_err;  /* ... and why */
};

/* Runs the n trials of a bundle, begun and no more, until each has ended or is stopped; results go out as they end. Where
 * the run directory failed, a trial has store_rc and store_err, and r->stop is set. */
void run_bundle(struct run *run, int n);

#endif
