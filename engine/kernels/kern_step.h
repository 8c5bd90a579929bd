/*
 * kern_step.h - what optimizer steps share: their sums, and a root that gcc cannot spoil. Included by kern_*.c only.
 */
#ifndef ENGINE_KERNELS_KERN_STEP_H
#define ENGINE_KERNELS_KERN_STEP_H

#include "engine/kernels/kern_vec.h"
#include "engine/kernels/kernels.h"

#include <math.h>

/* Sums are kept in float vectors over a block, then added up in double. */
enum { BLOCK = 4096 };

struct sums {
	vf grad2, update2, weight2;
};

KERN_INLINE void add_sums(struct step_sums *to, const struct sums *s)
{
	to->grad2 += vf_sum(s->grad2);
	to->update2 += vf_sum(s->update2);
	to->weight2 += vf_sum(s->weight2);
}

KERN_INLINE vf count_step(struct sums *s, vf w, vf w_new, vf g)
{
	vf moved = w_new - w;

	s->grad2 += g * g;
	s->update2 += moved * moved;
	s->weight2 += w * w;
	return w_new;
}

/* By the instruction and not lane by lane where there is one: of a loop over 16 lanes gcc 12 at -O2 -fno-math-errno made
 * code that left the weight decay out in some of them (tests/parity: adam-decay). */
KERN_INLINE vf vf_sqrt(vf x)
{
#if defined(KERN_avx512)
	return (vf)_mm512_sqrt_ps((__m512)x);
#elif defined(KERN_avx2)
	return (vf)_mm256_sqrt_ps((__m256)x);
#else
	vf r = x;

	KERN_UNROLL
	for (int i = 0; i < VL; i++)
		r[i] = sqrtf(x[i]);
	return r;
#endif
}

KERN_INLINE vf vf_max_nan(vf a, vf b)
{
	vi take = (vi)(b > a) | (vi)(b != b);

	return (vf)(((vi)b & take) | ((vi)a & ~take));
}

#endif
