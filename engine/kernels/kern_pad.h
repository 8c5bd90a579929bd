/*
 * kern_pad.h - copying parts of maps for the direct convolutions. Included by kern_*.c only.
 */
#ifndef ENGINE_KERNELS_KERN_PAD_H
#define ENGINE_KERNELS_KERN_PAD_H

#include <string.h>

#include "engine/kernels/kern_vec.h"
#include "engine/kernels/kernels.h"

/* A short memcpy, without the call. */
KERN_INLINE void copy_floats(float *out, const float *x, ptrdiff_t n)
{
	ptrdiff_t i = 0;

	for (; i + VL <= n; i += VL)
		vf_store(out + i, vf_load(x + i));
	for (; i < n; i++)
		out[i] = x[i];
}

/* Does the kernel see single pixels? Those that its stride leaves out need not be copied. */
static inline bool conv_is_point(const struct conv_shape *cs)
{
	return cs->r == 1 && cs->s == 1;
}

/* The pixels of an image that a 1x1 kernel reads for output rows p0 .. p0 + p - 1: out [p][q][c]; 0 in the padding */
static inline void pick_pixels(float *out, const float *x, const struct conv_shape *cs, int p0, int p)
{
	for (int i = p0; i < p0 + p; i++) {
		for (int j = 0; j < cs->q; j++, out += cs->c) {
			int row = i * cs->stride - cs->pad, col = j * cs->stride - cs->pad;

			if (row < 0 || row >= cs->h || col < 0 || col >= cs->w)
				memset(out, 0, (size_t)cs->c * sizeof(*out));
			else
				copy_floats(out, x + ((ptrdiff_t)row * cs->w + col) * cs->c, cs->c);
		}
	}
}

#endif
