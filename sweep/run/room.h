/*
 * room.h - does a sweep fit? What it will need of disk and memory, beside what there is.
 *
 * Estimates on the safe side: rows as long as they can be, files rounded up to blocks, a checkpoint for every trial that
 * may be under way.
 */
#ifndef SWEEP_RUN_ROOM_H
#define SWEEP_RUN_ROOM_H

#include <stdio.h>

#include "sweep/run/plan.h"

struct room {
	double disk, disk_free;     /* bytes ... */
	double files, files_free;   /* ... and names (inodes); INFINITY free: not known, or no limit */
	double memory, memory_free; /* of the trials under way; data and weights are in memory already */
};

/* For p->todo with so many workers, each with so many trials in a bundle; charts: plots and report.html are made too. */
void room_look(struct room *r, const struct plan *p, const char *dir, int workers, int together, bool charts);
/* A line for each of the three that there is less than twice of. */
void room_warn(FILE *out, const struct room *r, const char *dir);

#endif
