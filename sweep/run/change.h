/*
 * change.h - what a grid that was changed means for its run directory: which trials are new, which of before are found
 * again, which the grid has no more. Reads only; a trial that left the grid keeps its directory.
 */
#ifndef SWEEP_RUN_CHANGE_H
#define SWEEP_RUN_CHANGE_H

#include <stdio.h>

#include "sweep/run/plan.h"

struct change_trial {
	char key[TRIAL_KEY_MAX];
	bool ended;         /* its result stands */
	char settings[200]; /* "backbone_lr=0.1 optimizer=sgd seed 0"; "" if no grid is known that had it */
};

struct change {
	bool grid_before; /* a grid was there; else all is new and there is nothing to tell */
	int n_reused, n_reused_ended;
	int n_new, n_left;
	struct change_trial *new, *left; /* owned */
};

/*
 * Compares p's trials with those of the grid that DIR was last run with (of its numerics version: otherwise with the
 * trials that stand there). Call it before store_open(), which replaces DIR's copy of the grid. ERR_NOMEM.
 */
int change_look(struct change *c, const struct plan *p, const char *dir, struct err *e);
void change_release(struct change *c); /* accepts a zeroed one */
bool change_any(const struct change *c);
/* Counts, then at most `most` trials of each kind by key and settings. */
void change_print(FILE *out, const struct change *c, const char *dir, int most);

/* One line on what of data, weights, numerics and kernels is not as it was, files and hashes named; "" if nothing. */
void change_sources(char note[1024], const struct manifest *was, const struct manifest *is, const struct study *s);

#endif
