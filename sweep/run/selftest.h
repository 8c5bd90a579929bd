/*
 * selftest.h - is the arithmetic the same whoever calls it? Asked once before the first trial.
 */
#ifndef SWEEP_RUN_SELFTEST_H
#define SWEEP_RUN_SELFTEST_H

#include <stdint.h>

#include "engine/base/err.h"

/* Calls probe (engine_probe) alone, then several times on each of n_workers threads at once. ERR_SOFTWARE if any two
 * hashes differ, ERR_NOMEM if one is 0. */
int selftest(uint64_t (*probe)(void), int n_workers, struct err *e);

#endif
