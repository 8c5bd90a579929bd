/*
 * machine.h - what the manifest says about where a sweep runs, and how much memory there is to use.
 */
#ifndef SWEEP_RUN_MACHINE_H
#define SWEEP_RUN_MACHINE_H

#include "sweep/run/plan.h"

/* Fills every member but set/n_sets. After engine_init(). Never fails: what cannot be told is "" or "unknown". */
void machine_manifest(struct manifest *m, const struct plan *p, int workers, int threads);

/* Bytes that this process may still allocate without swapping (MemAvailable, every cgroup limit above it, ulimit -v); SIZE_MAX if
 * unknown. */
size_t machine_memory(void);

#endif
