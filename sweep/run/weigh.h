/*
 * weigh.h - what bundles cost, known before they run: memory, which decides when they may begin, and time, which decides
 * their order.
 */
#ifndef SWEEP_RUN_WEIGH_H
#define SWEEP_RUN_WEIGH_H

#include "sweep/run/share.h"

/*
 * bytes[n_bundles]: memory that each needs with so many threads. Puts those from s->n_alone on in launch order: seed by seed;
 * in each round what others start from before those, the baseline first, then longest first, so that the last ones to end are
 * short. Says of each bundle whether it is the last to read its features (features_last). ERR_NOMEM if a bundle does not fit
 * into `memory` (0: no limit) even alone.
 */
int weigh_bundles(struct share *s, size_t *bytes, const struct plan *p, int threads, size_t memory, struct err *e);

#endif
