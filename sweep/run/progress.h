/*
 * progress.h - how far a sweep is, on stderr; and finished trials as JSON lines on stdout.
 *
 * On a terminal: one line, rewritten in place, of those parts that its width has room for. Elsewhere (or with TERM=dumb):
 * a plain line for a finished trial, at most one in two seconds, and always the first and the last. No colours, so
 * NO_COLOR has nothing to turn off.
 */
#ifndef SWEEP_RUN_PROGRESS_H
#define SWEEP_RUN_PROGRESS_H

#include <pthread.h>

#include "sweep/run/plan.h"

struct progress {
	const struct plan *plan;
	bool quiet, json;
	bool in_place;            /* stderr is a terminal that can rewrite its line */
	pthread_mutex_t lock;     /* workers report at the same time */
	int metric;               /* the study's */
	int n, finished, running; /* of this run's trials */
	int failed, diverged;
	int best; /* trial; -1: none meets the constraints yet */
	double best_value;
	double began_s, shown_s;
	double epochs_left, epochs_seen; /* of this run's trials, for the time left */
};

void progress_init(struct progress *p, const struct plan *plan, bool quiet, bool json);
/* As a runner_listener's; ctx is the struct progress. */
void progress_started(void *ctx, int trial);
void progress_epoch(void *ctx, int trial, const struct epoch_row *row);
void progress_finished(void *ctx, int trial, const struct trial_end *end, const struct epoch_row *last);
/* Ends the line. */
void progress_end(struct progress *p);

/* Does a row meet all constraints of the study? True if it has none. */
bool constraints_met(const struct study *s, const struct epoch_row *row);

#endif
