/*
 * load.h - a run directory as struct results. Reads only; a sweep may be running in it.
 */
#ifndef SWEEP_REPORT_LOAD_H
#define SWEEP_REPORT_LOAD_H

#include "sweep/report/results.h"

/* A run directory read: results points into store and study, so the three live and go together. */
struct loaded {
	struct store store;
	struct study study;
	struct results results;
};

/* Zero *l first. A trial whose files are damaged counts as FAIL, with the reason in its end. */
int loaded_init(struct loaded *l, const char *dir, struct err *e);
void loaded_release(struct loaded *l); /* accepts a zeroed or half-built one */

#endif
