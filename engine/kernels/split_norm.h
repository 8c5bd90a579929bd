/*
 * split_norm.h - what split_norm.c and split_norm_pool.c share: one call of BatchNorm's, and the sums of its strips.
 */
#ifndef ENGINE_KERNELS_SPLIT_NORM_H
#define ENGINE_KERNELS_SPLIT_NORM_H

#include "engine/kernels/split.h"

/* Most strips of rows: their sums, two a channel, lie first in the workspace, and the three factors of bn_spread() behind. */
enum { STRIPS = 32 };

struct norm_call {
	const struct crew *crew;
	float *out, *dadd;
	const float *y, *dz, *z, *mean, *rstd, *gamma, *beta, *add;
	bool relu, batch, accumulate;
	int64_t m, strip; /* rows; rows of a strip */
	int c;
};

int64_t norm_strips(const struct norm_call *call);
/* Strip k's sums, [2][c], in the workspace of bn_workspace(c) floats that crew->ws begins with. */
double *norm_sums(const struct norm_call *call, int64_t k);
/* The strips' sums added, in order, to the first one's. */
void norm_join(const struct norm_call *call);
/* Room for the factors of bn_spread(), [3][c], behind them. */
float *norm_factors(const struct norm_call *call);
/* Makes them of the first strip's sums, which norm_join() has made those of all; reads rstd, gamma, batch, m. */
void norm_make_factors(const struct norm_call *call);
/* dgamma, dbeta [c] of the same sums. */
void norm_own_gradients(float *dgamma, float *dbeta, const struct norm_call *call);

#endif
