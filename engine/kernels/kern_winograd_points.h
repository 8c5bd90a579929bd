/*
 * kern_winograd_points.h - the six points at which Winograd's F(4,3) and F(3,4) multiply: 0, A, -A, B, infinity, -B, in this
 * order. Included by kern_winograd.c and kern_stem.c only.
 *
 * A = 11/16, B = 11/8: against the usual 1 and 2 all constants stay exact in float and the relative error of F(4x4,3x3) falls
 * from 2.6e-6 to 1.2e-6 (256 channels; their products are nearer to one size). Matrices are named as in Lavin & Gray (2016).
 */
#ifndef ENGINE_KERNELS_KERN_WINOGRAD_POINTS_H
#define ENGINE_KERNELS_KERN_WINOGRAD_POINTS_H

#include "engine/kernels/kern_vec.h"

#define A1 0.6875f
#define B1 1.375f
#define A2 (A1 * A1)
#define B2 (B1 * B1)
#define A3 (A2 * A1)
#define B3 (B2 * B1)
#define N0 (1 / (A2 * B2)) /* 1 / product of the distances to the other points */
#define NA (1 / (2 * A2 * (A2 - B2)))
#define NB (1 / (2 * B2 * (B2 - A2)))

/* B^T d: the points alone decide it */
KERN_INLINE void six_points(vf o[6], vf d0, vf d1, vf d2, vf d3, vf d4, vf d5)
{
	vf ea = d4 - B2 * d2, oa = d3 - B2 * d1, eb = d4 - A2 * d2, ob = d3 - A2 * d1;

	o[0] = d4 - (A2 + B2) * d2 + (A2 * B2) * d0;
	o[1] = ea + A1 * oa;
	o[2] = ea - A1 * oa;
	o[3] = eb + B1 * ob;
	o[4] = d5 - (A2 + B2) * d3 + (A2 * B2) * d1;
	o[5] = eb - B1 * ob;
}

#endif
