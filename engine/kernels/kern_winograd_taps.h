/*
 * kern_winograd_taps.h - the transforms of 3x3 weights in two dimensions, into Winograd's products and of their gradients
 * back. Included by kern_winograd.c and kern_phases.c only, which define weight_line() and weight_gradient_line().
 */
#ifndef ENGINE_KERNELS_KERN_WINOGRAD_TAPS_H
#define ENGINE_KERNELS_KERN_WINOGRAD_TAPS_H

#include "engine/kernels/kern_winograd_shared.h"

/* What transforms read next lies far apart: a channel's weights are nine lines, its sums 36. They ask for w so many channels
 * ahead, turned for so many vectors of its outputs, and for du so many channels ahead; no other distances were tried. */
enum { AHEAD_W = 4, AHEAD_TURNED = 2, AHEAD_DU = 2 };

/* G g */
KERN_INLINE void weight_line(vf o[PATCH], vf g0, vf g1, vf g2);
/* G^T u */
KERN_INLINE void weight_gradient_line(vf o[3], vf u0, vf u1, vf u2, vf u3, vf u4, vf u5);

/* u[plane][..VL] = G g G^T; tap r, s of the VL outputs lies at g + (3 r + s) * tap */
KERN_INLINE void transform_taps(float *u, ptrdiff_t plane, const float *g, ptrdiff_t tap, int n)
{
	vf t[3][PATCH], d[PATCH];

	for (int i = 0; i < POINTS; i++)
		__builtin_prefetch(u + i * plane + PANEL, 1); /* the next channel's */
	KERN_UNROLL
	for (int s = 0; s < 3; s++) {
		KERN_UNROLL
		for (int r = 0; r < 3; r++)
			d[r] = n == VL ? vf_load(g + (3 * r + s) * tap) : vf_load_n(g + (3 * r + s) * tap, n);
		weight_line(t[s], d[0], d[1], d[2]);
	}
	KERN_UNROLL
	for (int a = 0; a < PATCH; a++) {
		weight_line(d, t[0][a], t[1][a], t[2][a]);
		KERN_UNROLL
		for (int b = 0; b < PATCH; b++)
			vf_store(u + (a * PATCH + b) * plane, d[b]);
	}
}

/* Outputs k0 .. k0 + kn - 1 of w [3][3][c][k] into panels. */
static void transform_weights(float *u, ptrdiff_t plane, const float *w, int c, int k, int k0, int kn)
{
	const ptrdiff_t tap = (ptrdiff_t)c * k;

	for (int panel = 0; panel < kn; panel += PANEL) {
		int end = min_int(kn - panel, PANEL);

		for (int ch = 0; ch < c; ch++, u += PANEL) {
			const float *g = w + (ptrdiff_t)ch * k + k0 + panel;

			for (int i = 0; i < end; i += VL) {
				for (int r = 0; r < 9; r++)
					__builtin_prefetch(g + i + r * tap + AHEAD_W * k);
				if (i + VL <= end)
					transform_taps(u + i, plane, g + i, tap, VL);
				else
					transform_taps(u + i, plane, g + i, tap, end - i);
			}
		}
	}
}

/* out [k][VL] = w [c][k] transposed, for up to VL of both */
static void transpose_block(float *out, const float *w, int cn, int kn, ptrdiff_t pitch)
{
	if (cn < VL || kn < VL) {
		for (int i = 0; i < kn; i++)
			for (int c = 0; c < VL; c++)
				out[i * VL + c] = c < cn ? w[c * pitch + i] : 0;
		return;
	}
	for (int c = 0; c < VL; c += 4) {
		for (int i = 0; i < VL; i += 4) {
			const float *at = w + c * pitch + i;
			vf4 r0 = *(const vf4_u *)at, r1 = *(const vf4_u *)(at + pitch);
			vf4 r2 = *(const vf4_u *)(at + 2 * pitch), r3 = *(const vf4_u *)(at + 3 * pitch);
			vf4 a = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
			vf4 b = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
			vf4 d = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
			vf4 e = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);

			*(vf4_u *)(out + i * VL + c) = __builtin_shufflevector(a, d, 0, 1, 4, 5);
			*(vf4_u *)(out + (i + 1) * VL + c) = __builtin_shufflevector(a, d, 2, 3, 6, 7);
			*(vf4_u *)(out + (i + 2) * VL + c) = __builtin_shufflevector(b, e, 0, 1, 4, 5);
			*(vf4_u *)(out + (i + 3) * VL + c) = __builtin_shufflevector(b, e, 2, 3, 6, 7);
		}
	}
}

/* The same for backward-data: inputs and outputs exchanged, taps turned; outputs (w's c) c0 .. c0 + cn - 1. */
static void transform_turned(float *u, ptrdiff_t plane, const float *w, int c, int k, int c0, int cn)
{
	for (int i = 0; i < cn; i += VL) {
		float *out = u + (ptrdiff_t)(i / PANEL) * PANEL * k + i % PANEL;

		for (int k0 = 0; k0 < k; k0 += VL) {
			float g[9][VL * VL] __attribute__((aligned(64)));
			int kn = min_int(k - k0, VL);

			for (int tap = 0; tap < 9; tap++) {
				const float *at = w + ((ptrdiff_t)tap * c + c0 + i) * k + k0;

				for (int j = 0; j < min_int(cn - i, VL); j++)
					__builtin_prefetch(at + j * (ptrdiff_t)k + AHEAD_TURNED * VL);
				transpose_block(g[8 - tap], at, min_int(cn - i, VL), kn, k);
			}
			for (int ch = 0; ch < kn; ch++, out += PANEL)
				transform_taps(out, plane, g[0] + ch * VL, VL * VL, VL);
		}
	}
}

/* dw = G^T du G of n <= VL outputs of one input channel */
KERN_INLINE void finish_taps(float *dw, ptrdiff_t tap, const float *du, ptrdiff_t plane, int n)
{
	vf t[PATCH][3], o[3];

	KERN_UNROLL
	for (int b = 0; b < PATCH; b++) {
		vf d[PATCH];

		KERN_UNROLL
		for (int a = 0; a < PATCH; a++)
			d[a] = vf_load(du + (a * PATCH + b) * plane);
		weight_gradient_line(t[b], d[0], d[1], d[2], d[3], d[4], d[5]);
	}
	KERN_UNROLL
	for (int r = 0; r < 3; r++) {
		weight_gradient_line(o, t[0][r], t[1][r], t[2][r], t[3][r], t[4][r], t[5][r]);
		KERN_UNROLL
		for (int s = 0; s < 3; s++) {
			if (n == VL)
				vf_store(dw + (3 * r + s) * tap, o[s]);
			else
				vf_store_n(dw + (3 * r + s) * tap, o[s], n);
		}
	}
}

static void finish_weights(float *dw, const float *du, ptrdiff_t plane, int c, int k, int k0, int kn)
{
	ptrdiff_t tap = (ptrdiff_t)c * k;

	for (int i = 0; i < kn; i += VL) {
		const float *from = du + (ptrdiff_t)(i / PANEL) * PANEL * round_up(c, VL) + i % PANEL;

		for (int ch = 0; ch < c; ch++, from += PANEL) {
			float *out = dw + (ptrdiff_t)ch * k + k0 + i;

			/* Beside the loads gcc 12 would make other FMAs of the sums, and other last bits. */
			for (int point = 0; point < POINTS; point++)
				__builtin_prefetch(from + point * plane + AHEAD_DU * PANEL);
			if (i + VL <= kn)
				finish_taps(out, tap, from, plane, VL);
			else
				finish_taps(out, tap, from, plane, kn - i);
		}
	}
}

#endif
